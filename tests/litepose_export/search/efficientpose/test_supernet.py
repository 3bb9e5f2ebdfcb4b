"""EfficientPose's space and super-network: what its networks compute and inherit."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.errors import SearchError  # noqa: E402
from litepose_export.models.architectures import litepose  # noqa: E402
from litepose_export.models.architectures.efficientpose import (  # noqa: E402
    PUBLISHED,
    Arch,
    Block,
    EfficientPose,
)
from litepose_export.models.architectures.litepose import LitePose  # noqa: E402
from litepose_export.search.efficientpose.mixed import single  # noqa: E402
from litepose_export.search.efficientpose.remap import remap  # noqa: E402
from litepose_export.search.efficientpose.space import (  # noqa: E402
    BLOCKS,
    EfficientPoseSpace,
    Layout,
)
from litepose_export.search.efficientpose.supernet import (  # noqa: E402
    derived_network,
    inherited,
    make_supernet,
)

pytestmark = pytest.mark.export
SMALL = EfficientPoseSpace(Layout(8, (8, 16, 24, 32), (2, 2, 1, 2)), 5, Size(32, 32))
CROP = (2, 3, 32, 32)


def scrambled(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The network in evaluation mode, with normalisations that do something."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            torch.nn.init.normal_(module.running_mean, 0, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def test_published_networks_are_of_the_spaces() -> None:
    for name, layout in {"a": "a", "b": "b", "c": "b"}.items():
        arch = PUBLISHED[f"efficientpose-{name}"]
        space = EfficientPoseSpace(layout)
        assert space.arch(space.genes_of(arch)) == arch
    with pytest.raises(SearchError, match="expected a network of"):
        EfficientPoseSpace("a").genes_of(PUBLISHED["efficientpose-b"])
    with pytest.raises(SearchError, match="one of a, b"):
        EfficientPoseSpace("d")
    with pytest.raises(SearchError, match="multiples of 16"):
        EfficientPoseSpace("a", size=Size(100, 128))


def test_layers_that_change_the_shape_cannot_be_left_out() -> None:
    space = EfficientPoseSpace("b")
    assert len(space.layers) == 34
    for layer, choice in zip(space.layers, space.choices, strict=True):
        keeps = layer.index > 0
        assert (None in layer.blocks) == ("skip" in choice.options) == keeps
        assert len(layer.blocks) == 6 + keeps
    assert [layer.shrink for layer in space.layers if layer.index == 0] == [2, 4, 8, 16]
    assert [layer.stride for layer in space.layers if layer.index == 0] == [2, 2, 2, 1]
    assert space.decode(space.uniform(7, 6)) == {c.name: "7/6" for c in space.choices}


def test_operators_are_what_the_network_consists_of() -> None:
    """In turn they compute what it does."""
    space = SMALL
    genes = space.encode({c.name: c.options[-1] for c in space.choices} | {"stage_1.2": "skip"})
    operators = space.operators(genes)
    assert [o.kind for o in operators[:2]] == ["stem 8", "ir k7 e6 8-8 /2"]
    assert len(operators) == 2 + 6
    assert set(o.key for o in operators) <= set(o.key for o in space.all_operators())
    x = torch.zeros(1, 3, 32, 32)
    for operator in operators:
        assert operator.inputs == (tuple(x.shape[1:]),)
        x = operator.build().eval()(x)
    assert x.shape == (1, 5, 8, 8)
    parts = [p.numel() for operator in operators for p in operator.build().parameters()]
    assert sum(parts) == sum(p.numel() for p in space.build(genes).parameters())


@pytest.mark.parametrize("seed", range(3))
def test_a_derived_network_computes_what_its_path_does(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    supernet = scrambled(make_supernet(SMALL), seed)
    choice = SMALL.random(rng)
    supernet.gates = single(choice)
    network = derived_network(supernet, SMALL, choice).eval()
    crop = torch.randn(CROP)
    with torch.no_grad():
        maps = supernet(crop)
        torch.testing.assert_close(network(crop), maps)
    assert maps.shape == (2, 5, 8, 8)


def test_a_network_of_skips_inherits_the_blocks_that_remain() -> None:
    supernet = make_supernet(SMALL)
    choice = SMALL.smallest
    assert SMALL.arch(choice).stages[0] == (Block(3, 3), None)
    state = inherited(supernet, SMALL, choice)
    assert set(state) == set(EfficientPose(SMALL.arch(choice), 5).state_dict())
    assert state["blocks.stages.x0_ir_k3_e3.pw.conv.weight"].data_ptr() == (
        supernet.get_parameter("layers.0.operators.0.pw.conv.weight").data_ptr()
    )


def uniform(kernel: int, expand: int) -> Arch:
    return SMALL.arch(SMALL.uniform(kernel, expand))


@pytest.mark.parametrize(("kernel", "expand"), [(3, 3), (5, 6)])
def test_remapped_operators_compute_what_the_trained_network_does(kernel: int, expand: int) -> None:
    """Its own operator, and every larger one: what is added does nothing yet."""
    trained = scrambled(EfficientPose(uniform(kernel, expand), 5))
    supernet = scrambled(make_supernet(SMALL), 1)
    assert remap(supernet, SMALL, trained.state_dict()) > 6 * 7
    crop = torch.randn(CROP)
    with torch.no_grad():
        wanted = trained(crop)
        for block in BLOCKS:
            supernet.gates = single(SMALL.uniform(block.kernel, block.expand))
            difference = (supernet(crop) - wanted).abs().max() / wanted.std(dim=(0, 2, 3)).mean()
            same = float(difference) < 1e-3
            assert same == (block.kernel >= kernel and block.expand >= expand)


def test_depth_grows_by_the_last_block_and_skips_are_passed_over() -> None:
    stages = ((Block(3, 3),), (Block(3, 3), None, Block(5, 3)), (Block(3, 3),), (Block(3, 3),) * 2)
    trained = EfficientPose(Arch(8, (8, 16, 24, 32), stages), 5)
    space = EfficientPoseSpace(Layout(8, (8, 16, 24, 32), (2, 4, 1, 2)), 5)
    supernet = make_supernet(space)
    fresh = supernet.get_parameter("layers.1.operators.1.dw.conv.weight").clone()
    remap(supernet, space, trained.state_dict())
    state = trained.state_dict()
    source = state["blocks.stages.x3_ir_k5_e3.dw.conv.weight"]
    for number in (3, 4, 5):
        own = supernet.get_parameter(f"layers.{number}.operators.2.dw.conv.weight")
        torch.testing.assert_close(own, source)
    # A stage of one block has no pattern for layers that keep the width.
    assert torch.equal(supernet.get_parameter("layers.1.operators.1.dw.conv.weight"), fresh)


def test_the_most_important_channels_stay() -> None:
    trained = EfficientPose(uniform(3, 6), 5)
    state = trained.state_dict()
    prefix = "blocks.stages.x1_ir_k3_e6."
    state[prefix + "dw.bn.weight"].fill_(0.1)
    important = torch.arange(1, 48, 2)
    state[prefix + "dw.bn.weight"][important] = 1.0
    supernet = make_supernet(SMALL)
    remap(supernet, SMALL, state)
    own = supernet.get_parameter("layers.1.operators.1.pwl.conv.weight")
    torch.testing.assert_close(own, state[prefix + "pwl.conv.weight"][:, important])


def test_other_widths_and_litepose_are_taken_where_they_fit() -> None:
    wider = EfficientPose(Arch(16, (16, 24, 32, 48), uniform(7, 3).stages), 9)
    supernet = make_supernet(SMALL)
    before = supernet.get_parameter("after.1.2.weight").clone()
    remap(supernet, SMALL, wider.state_dict())
    own = supernet.get_parameter("layers.0.operators.2.dw.conv.weight")
    assert own.shape == (24, 1, 7, 7)
    assert torch.equal(supernet.get_parameter("after.1.2.weight"), before)

    blocks = tuple((litepose.Block(6, 7),) * depth for depth in SMALL.layout.depths)
    other = LitePose(litepose.Arch(8, (8, 16, 24, 32), (8, 8, 8), blocks), 5)
    remap(supernet, SMALL, other.state_dict())
    state = other.state_dict()
    torch.testing.assert_close(
        supernet.get_parameter("layers.1.operators.6.pwl.conv.weight"),
        state["stage.0.1.point_conv.0.weight"],
    )
    torch.testing.assert_close(
        supernet.get_parameter("before.0.conv.weight"), state["first.0.0.weight"]
    )
