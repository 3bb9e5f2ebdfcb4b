"""Parameters and multiply-accumulates of a model file."""

from __future__ import annotations

import pytest

from litepose_edge.backends import bundled
from litepose_edge.measure.operations import Operations, count_operations


def counts_of(name, precision, item):
    return count_operations(bundled.find(name, precision), item)


def test_int8_and_float_files_of_one_network_count_the_same():
    int8, float32 = (counts_of("lrpose-s", p, (3, 256, 192)) for p in ("int8", "fp32"))
    assert int8 == float32
    assert int8.input_shape == (1, 3, 256, 192)
    assert 2.3e6 < int8.parameters < 2.5e6  # four times the bytes of the float file
    assert 0.5e9 < int8.macs < 0.6e9


def test_a_detector_of_any_size_is_counted_at_the_one_that_is_asked_for():
    small, large = (counts_of("persondet", "int8", (3, n, n)) for n in (224, 448))
    assert small.parameters == large.parameters
    assert large.macs == pytest.approx(4 * small.macs, rel=0.01)


@pytest.mark.export
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_layers_are_counted_as_they_are_by_hand(tmp_path):
    import torch
    from torch import nn

    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),  # 8 x 4 of 8 channels
        nn.Conv2d(8, 8, 3, 1, 1, groups=4),
        nn.ConvTranspose2d(8, 4, 4, 2, 1),  # from 8 x 4
        nn.Linear(16, 5),  # of 4 x 8 rows
    ).eval()
    path = tmp_path / "net.onnx"
    torch.onnx.export(network, torch.zeros(1, 3, 8, 16), path, dynamo=False)
    wanted = Operations(
        parameters=sum(p.numel() for p in network.parameters()),
        macs=32 * 8 * 27 + 32 * 8 * 18 + 32 * 8 * 4 * 16 + 4 * 8 * 16 * 5,
        input_shape=(1, 3, 8, 16),
    )
    found = count_operations(path, (3, 8, 16))
    assert (found.macs, found.input_shape) == (wanted.macs, wanted.input_shape)
    # The bias of a linear layer is added by a node of its own.
    assert found.parameters in (wanted.parameters, wanted.parameters - 5)
