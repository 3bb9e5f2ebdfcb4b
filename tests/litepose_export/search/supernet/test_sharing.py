"""Sub-networks are parts of the supernet: weights, gradients, statistics, order of channels."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.errors import SearchError  # noqa: E402
from litepose_export.search.litepose.space import LitePoseSpace  # noqa: E402
from litepose_export.search.lrpose.space import LRPoseSpace  # noqa: E402
from litepose_export.search.supernet.recalibration import recalibrate  # noqa: E402
from litepose_export.search.supernet.reorganize import re_organize_weights  # noqa: E402
from litepose_export.search.supernet.sampling import SubNetworks  # noqa: E402
from litepose_export.search.supernet.sharing import (  # noqa: E402
    empty_network,
    loss_within,
    shared_tensors,
    sub_network,
    tensors_of,
)

LITEPOSE = LitePoseSpace(2, [Size(32, 32)], kernels=True, depth=True, blocks=(2, 2, 2, 2))
LRPOSE = LRPoseSpace(2, [Size(32, 32), Size(64, 64)])
SPACES = pytest.mark.parametrize("space", [LITEPOSE, LRPOSE], ids=["litepose", "lrpose"])


def supernet(space):
    """The largest network, with statistics and weights as after training."""
    return copy.deepcopy(_made(space))


@functools.cache
def _made(space):
    torch.manual_seed(0)
    network = space.build(space.largest)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


def outputs_of(network, image):
    maps = network(image)
    return maps if isinstance(maps, tuple) else (maps,)


def squared(network, image):
    return torch.stack([maps.square().mean() for maps in outputs_of(network, image)]).sum()


@SPACES
def test_the_largest_sub_network_is_the_supernet(space):
    network = supernet(space).eval()
    image = torch.randn(2, 3, 32, 32)
    same = sub_network(space, space.largest, tensors_of(network)).eval()
    for ours, theirs in zip(outputs_of(same, image), outputs_of(network, image), strict=True):
        torch.testing.assert_close(ours, theirs)


@SPACES
def test_a_sub_network_computes_the_same_inside_and_outside(space):
    network, rng = supernet(space), np.random.default_rng(3)
    image = torch.randn(2, 3, 32, 32)
    for _ in range(2):
        genes = space.random(rng)
        own = sub_network(space, genes, tensors_of(network)).train()
        inside = loss_within(empty_network(space, genes), tensors_of(network), squared, image)
        torch.testing.assert_close(inside, squared(own, image))


@SPACES
def test_gradients_reach_the_leading_channels_alone(space):
    network = supernet(space)
    genes = space.canonical(space.smallest)
    part = empty_network(space, genes)
    loss_within(part, tensors_of(network), squared, torch.randn(2, 3, 32, 32)).backward()
    full = dict(network.named_parameters())
    own = dict(part.named_parameters())
    assert any(p.grad is None for n, p in full.items() if n not in own)  # blocks not in it
    gradients = {n: p.grad for n, p in full.items() if n in own}
    for name, gradient in gradients.items():
        inside = shared_tensors(gradients, _only(part, name))[name]
        total, part_of_it = gradient.abs().sum(), inside.abs().sum()
        torch.testing.assert_close(total, part_of_it)


def _only(network, name):
    """A module with one parameter of the network, under its name."""
    holder = nn.Module()
    holder.named_parameters = lambda: [(name, dict(network.named_parameters())[name])]
    holder.named_buffers = list
    return holder


def test_kernels_keep_their_middle():
    network = supernet(LITEPOSE)
    values = {**LITEPOSE.decode(LITEPOSE.largest), "stage_1.kernel": 3}
    part = sub_network(LITEPOSE, LITEPOSE.encode(values), tensors_of(network))
    whole = network.stage[1][1].depth_conv[0].weight
    torch.testing.assert_close(part.stage[1][1].depth_conv[0].weight, whole[:, :, 2:5, 2:5])


def test_weights_of_another_space_are_refused():
    with pytest.raises(SearchError, match="of another space"):
        sub_network(LRPOSE, LRPOSE.largest, tensors_of(supernet(LITEPOSE)))


@SPACES
def test_sorted_channels_compute_the_same(space):
    network = supernet(space).eval()
    image = torch.randn(2, 3, 32, 32)
    before = [maps.clone() for maps in outputs_of(network, image)]
    weights = [p.clone() for p in network.parameters()]
    re_organize_weights(network)
    assert any((a != b).any() for a, b in zip(weights, network.parameters(), strict=True))
    for ours, theirs in zip(outputs_of(network, image), before, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_leading_channels_are_the_ones_that_are_read_most():
    network = supernet(LITEPOSE)
    re_organize_weights(network)
    for block in (network.stage[0][1], network.stage[3][0]):
        read = block.point_conv[0].weight.detach().abs().sum(dim=(0, 2, 3))
        assert (read.diff() <= 1e-5).all()


@SPACES
def test_recalibrated_statistics_are_those_of_the_features(space):
    network = supernet(space)
    genes = space.canonical(space.smallest)
    part = sub_network(space, genes, tensors_of(network))
    weights = [p.clone() for p in part.parameters()]
    images = [torch.randn(4, 3, 32, 32) for _ in range(3)]
    recalibrate(part, images)
    first = next(m for m in part.modules() if isinstance(m, nn.BatchNorm2d))
    convolution = next(m for m in part.modules() if isinstance(m, nn.Conv2d))
    features = torch.stack([convolution(image).mean(dim=(0, 2, 3)) for image in images])
    torch.testing.assert_close(first.running_mean, features.mean(dim=0))
    assert first.momentum == 0.1
    assert not part.training
    assert all((a == b).all() for a, b in zip(weights, part.parameters(), strict=True))


def test_a_step_draws_the_same_sub_networks_again():
    chosen, again = (SubNetworks(LITEPOSE, 100, seed=4) for _ in range(2))
    assert [chosen.at(step) for step in range(30)] == [again.at(step) for step in range(30)]
    assert chosen.at(1) != chosen.at(2)


def test_every_block_learns():
    """The published code draws only the first 4, 6, 8 and 8 blocks."""
    space = LitePoseSpace(2)
    for genes in SubNetworks(space, 10, seed=0).at(0):
        assert [len(stage) for stage in space.build(genes).stage] == [6, 8, 10, 10]


def test_a_sandwich_has_the_largest_first_and_the_smallest():
    chosen = SubNetworks(LITEPOSE, 100, seed=0, sandwich=True, drawn=2)
    step = chosen.at(3)
    assert len(step) == 4
    assert step[:2] == [LITEPOSE.largest, LITEPOSE.canonical(LITEPOSE.smallest)]


def test_all_sub_networks_of_a_step_have_the_batch_s_size():
    chosen = SubNetworks(LRPOSE, 100, seed=0, sandwich=True, drawn=3)
    for step in range(10):
        assert {LRPOSE.input_size(genes) for genes in chosen.at(step, 0)} == {Size(32, 32)}


def test_shrinking_opens_smaller_options_one_by_one():
    chosen = SubNetworks(LITEPOSE, 400, seed=0, shrinking=True)
    assert all(chosen.at(step) == [LITEPOSE.largest] for step in range(0, 100, 9))

    def lowest(first, last):
        drawn = [chosen.at(step)[0] for step in range(first, last)]
        return [min(genes[i] for genes in drawn) for i in range(len(drawn[0]))]

    width = [choice.name for choice in LITEPOSE.choices].index("stage_1.width")
    assert lowest(100, 160)[width] == 2
    assert lowest(300, 400)[width] == 0
