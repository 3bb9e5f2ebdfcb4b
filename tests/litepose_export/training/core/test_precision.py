"""Which arithmetic training uses."""

import time

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from litepose_export.training.core import muon, precision  # noqa: E402

pytestmark = pytest.mark.export


@pytest.fixture
def clock(monkeypatch):
    """A clock that a convolution moves on: by `cost[half]` seconds."""
    now, cost = [0.0], {True: 1.0, False: 1.0}
    plain = torch.nn.functional.conv2d

    def conv2d(*args, **kwargs):
        now[0] += cost[torch.is_autocast_enabled("cpu")]
        return plain(*args, **kwargs)

    monkeypatch.setattr(torch.nn.functional, "conv2d", conv2d)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    precision.bfloat16_pays.cache_clear()
    yield cost
    precision.bfloat16_pays.cache_clear()


@pytest.mark.parametrize(("half", "single", "pays"), [(1.0, 3.0, True), (3.0, 1.0, False)])
def test_the_faster_arithmetic_is_used(clock, half, single, pays):
    clock[True], clock[False] = half, single
    assert precision.bfloat16_pays("cpu") is pays


@pytest.mark.parametrize(("kernel", "groups", "pays"), [(3, 8, True), (5, 8, False), (7, 1, True)])
def test_large_depthwise_kernels_train_in_float32_on_a_cpu(clock, kernel, groups, pays):
    clock[True], clock[False] = 1.0, 3.0
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, kernel, groups=groups))
    assert precision.trains_in_bfloat16(network, torch.empty(1, 3, 64, 64)) is pays
    accelerator = torch.empty(1, 3, 64, 64, device="meta")
    assert precision.trains_in_bfloat16(network, accelerator)


@pytest.mark.parametrize(("size", "pays"), [((64, 64), True), ((64, 32), False)])
def test_maps_of_a_cell_or_two_are_trained_in_float32_on_a_cpu(clock, size, pays):
    clock[True], clock[False] = 1.0, 3.0
    network = nn.Conv2d(3, 8, 3)
    assert precision.trains_in_bfloat16(network, torch.empty(1, 3, *size)) is pays
    assert precision.trains_in_bfloat16(network, torch.empty(1, 3, *size, device="meta"))


def test_accelerators_compute_in_bfloat16_untried(clock):
    clock[True] = float("nan")
    assert precision.bfloat16_pays("cuda")


def test_timing_leaves_the_random_stream_alone(clock):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    precision.bfloat16_pays("cpu")
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("pays", [True, False])
def test_muons_update_is_orthogonal_in_either_arithmetic(monkeypatch, pays):
    monkeypatch.setattr(muon, "bfloat16_pays", lambda device: pays)
    torch.manual_seed(0)
    update = muon.orthogonal(torch.randn(2, 6, 40))
    values = torch.linalg.svdvals(update)
    assert update.dtype == torch.float32
    assert values.max() < 1.3
    assert values.median() > 0.5
