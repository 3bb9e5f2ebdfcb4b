"""The table behind `litepose-export list`, and how it is counted."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import torch  # noqa: E402
from torch import nn  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.models import catalogue, catalogue_table  # noqa: E402
from litepose_export.models.architectures.vitpose import Attention  # noqa: E402
from litepose_export.models.counting import count  # noqa: E402


def test_the_table_is_what_the_networks_count():
    rows = [catalogue_table.describe(network) for network in catalogue_table.CATALOGUE]
    assert catalogue.read_rows() == rows
    assert catalogue.TABLE.read_bytes() == catalogue_table.encode(rows)


def test_the_table_agrees_with_published_figures():
    rows = {row.network: row for row in catalogue.read_rows()}
    assert rows["litepose-s"].parameters == 2_731_624
    assert rows["efficientpose-c"].macs == pytest.approx(1.397e9, rel=5e-3)
    assert all(row.source for row in rows.values())
    assert rows["vitpose-b-rmpg"].reconstructed


def test_a_transposed_convolution_counts_at_input_positions():
    network = nn.ConvTranspose2d(3, 8, 4, stride=2, padding=1, bias=False)
    cost = count(network, Size(6, 4))
    assert cost.parameters == 3 * 8 * 4 * 4
    assert cost.macs == cost.parameters * 6 * 4


def test_a_network_that_asks_its_normalization_is_counted_all_the_same():
    class Asking(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4)

        def forward(self, x):
            return self.bn(self.conv(x)) * self.bn.eps

    for network in (Asking(), nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))):
        assert (count(network, Size(5, 2)).macs, count(network, Size(5, 2)).parameters) == (120, 20)
        assert network.training


def test_attention_counts_both_products_of_all_pairs_of_tokens():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = Attention(width=3, heads=1)

        def forward(self, image):
            return self.attention(image.flatten(2).transpose(1, 2))

    tokens, width = 4 * 6, 3
    linear = tokens * (width * 3 * width + width * width)
    assert count(Tokens(), Size(6, 4)).macs == linear + 2 * tokens * tokens * width


def test_counting_leaves_the_network_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    count(network, Size(8, 8))
    assert network.training
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
