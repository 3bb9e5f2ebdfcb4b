"""The published networks: counted, named and computing as published."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

from torch import nn  # noqa: E402

from litepose_edge import skeletons  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.models import counting, networks  # noqa: E402
from litepose_export.models.architectures import efficientpose, litepose  # noqa: E402
from litepose_export.models.architectures.hierarchical import HierarchicalRMPG  # noqa: E402
from litepose_export.models.architectures.layers import (  # noqa: E402
    InterleavedDeconv,
    interleave,
    rewrite_deconv_sequence,
)
from litepose_export.models.architectures.rmpg import RMPG  # noqa: E402
from litepose_export.models.architectures.simplebaseline import SimpleBaseline  # noqa: E402
from litepose_export.models.folding import fold_batch_norms  # noqa: E402
from paths import SHARED  # noqa: E402

REFERENCE = SHARED / "reference"
# Parameters and MACs counted independently from the published code.
FIGURES = [
    ("litepose-xs", 17, 256, 256, 1_675_912, 0.886e9),
    ("litepose-s", 17, 448, 448, 2_731_624, 3.624e9),
    ("litepose-m", 17, 448, 448, 3_534_336, 5.276e9),
    ("litepose-l", 17, 512, 512, 5_738_672, 9.979e9),
    ("litepose-xs", 14, 256, 256, 1_675_552, None),
    ("litepose-s", 14, 448, 448, 2_731_240, None),
    ("litepose-m", 14, 448, 448, 3_533_808, None),
    ("litepose-l", 14, 512, 512, 5_738_120, None),
    ("efficientpose-a", 17, 192, 256, 1_299_393, 0.407e9),
    ("efficientpose-b", 17, 192, 256, 3_252_945, 1.046e9),
    ("efficientpose-c", 17, 192, 256, 5_002_345, 1.397e9),
    ("efficientpose-a", 16, 256, 256, None, 0.542e9),
    ("efficientpose-b", 16, 256, 256, None, 1.395e9),
    ("efficientpose-c", 16, 256, 256, None, 1.862e9),
    ("simplebaseline-r50", 17, 192, 256, 33_999_697, 5.426e9),
]


@pytest.mark.parametrize(("name", "keypoints", "width", "height", "parameters", "macs"), FIGURES)
def test_counts_equal_the_published_networks(name, keypoints, width, height, parameters, macs):
    size = Size(width, height)
    with torch.device("meta"):
        cost = counting.count(networks.find(name).build(keypoints, size), size)
    if parameters is not None:
        assert cost.parameters == parameters
    if macs is not None:
        assert cost.macs == pytest.approx(macs, rel=5e-3)


@pytest.mark.parametrize(
    ("file", "name", "keypoints"),
    [
        ("litepose_xs_coco", "litepose-xs", 17),
        ("litepose_m_crowd_pose", "litepose-m", 14),
        ("efficientpose_a_coco", "efficientpose-a", 17),
    ],
)
def test_official_names_shapes_and_outputs_are_reproduced(file, name, keypoints, filled):
    if not REFERENCE.is_dir():
        pytest.skip(f"no reference vectors in {REFERENCE}")
    network = networks.find(name).build(keypoints, Size(64, 64)).eval()
    listed = (REFERENCE / f"{file}.keys.txt").read_text().splitlines()
    own = [f"{k}\t{','.join(map(str, v.shape))}" for k, v in network.state_dict().items()]
    assert own == [line if "\t" in line else f"{line}\t" for line in listed]
    network.load_state_dict(filled(network))
    stored = np.load(REFERENCE / f"{file}.npz")
    height, width = stored["input_hw"]
    image = np.random.default_rng(7).standard_normal((1, 3, height, width)).astype(np.float32)
    for form in (network, fold_batch_norms(network)):
        with torch.no_grad():
            outputs = form(torch.from_numpy(image))
        for i, output in enumerate(outputs if isinstance(outputs, tuple) else (outputs,)):
            assert tuple(output.shape) == tuple(stored[f"shape{i}"])
            flat = output.numpy().ravel()
            sample = flat[:: max(1, flat.size // 2000)]
            assert np.abs(sample - stored[f"sample{i}"]).max() <= 2e-4 * stored[f"std{i}"]


SMALL_INPUTS = {
    "litepose-xs": 64,
    "litepose-xs-k5": 64,
    "litepose-xs-dense": 64,
    "efficientpose-a": 64,
    "efficientpose-b": 64,
    "simplebaseline-r50-rmpg": 64,
    "hourglass-rmpg": 128,
    "vitpose-s-rmpg": 64,
    "fasterpose-r50": 64,
    "rmpg-hierarchical-r50": 64,
}


@pytest.mark.parametrize(("name", "side"), SMALL_INPUTS.items())
def test_folding_leaves_no_normalisation_and_no_difference(name, side, filled):
    torch.manual_seed(0)
    network = networks.find(name).build(17, Size(side, side))
    network.load_state_dict(filled(network))
    network.eval()
    folded = fold_batch_norms(network)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    image = torch.randn(1, 3, side, side)
    with torch.no_grad():
        for want, got in zip(_tuple(network(image)), _tuple(folded(image)), strict=True):
            assert (got - want).abs().max() <= 1e-4 * want.abs().max()


def test_a_deconvolution_and_its_rewritten_form_agree():
    deconv = nn.ConvTranspose2d(5, 3, 4, 2, 1)
    x = torch.randn(2, 5, 6, 7)
    rewritten = InterleavedDeconv(deconv.weight, deconv.bias, relu=False)
    torch.testing.assert_close(rewritten(x), deconv(x))
    sequence = nn.Sequential(deconv, nn.Identity(), nn.ReLU())
    torch.testing.assert_close(rewrite_deconv_sequence(sequence)(x), sequence(x))


def test_interleaving_is_a_pixel_shuffle():
    kinds = torch.randn(2, 3, 4, 5, 6)
    shuffled = torch.nn.functional.pixel_shuffle(kinds.flatten(1, 2), 2)
    assert torch.equal(interleave(kinds), shuffled)


def test_only_the_deconvolutions_that_can_be_rewritten_are():
    with pytest.raises(ValueError, match="stride 2"):
        rewrite_deconv_sequence(nn.Sequential(nn.ConvTranspose2d(2, 2, 4, 4)))
    with pytest.raises(ValueError, match="4x4"):
        InterleavedDeconv(torch.zeros(2, 2, 3, 3), None, relu=False)
    with pytest.raises(ValueError, match="fold"):
        rewrite_deconv_sequence(nn.Sequential(nn.ConvTranspose2d(2, 2, 4, 2, 1), nn.BatchNorm2d(2)))


@pytest.mark.parametrize("name", litepose.PUBLISHED)
def test_a_litepose_is_recovered_from_its_shapes(name):
    _, arch = litepose.PUBLISHED[name]
    with torch.device("meta"):
        state = litepose.LitePose(arch, 14).state_dict()
    assert litepose.recover_arch(state) == (arch, 14)


@pytest.mark.parametrize("name", efficientpose.PUBLISHED)
def test_an_efficientpose_is_recovered_from_its_keys_skips_included(name):
    arch = efficientpose.PUBLISHED[name]
    with torch.device("meta"):
        state = efficientpose.EfficientPose(arch, 16).state_dict()
    assert efficientpose.recover_arch(state) == (arch, 16)


@pytest.mark.parametrize("channels", [16, 64])
def test_a_parse_graph_keeps_the_shape_and_starts_as_the_identity(channels):
    x = torch.randn(2, channels, 5, 7)
    graph = RMPG(channels)
    assert torch.equal(graph(x), x)
    # One node of d channels holds three 3x3 convolutions and their normalisations: seven nodes.
    nodes = [channels, *[channels // 2] * 2, *[channels // 4] * 4]
    parameters = sum(p.numel() for p in graph.parameters())
    assert parameters == sum(27 * d * d + 6 * d for d in nodes)


def test_a_parse_graph_needs_channels_that_split():
    with pytest.raises(ValueError, match="split"):
        RMPG(30)


@pytest.mark.parametrize("rmpg", ["", "-rmpg"])
@pytest.mark.parametrize(
    ("host", "side"), [("simplebaseline-r50", 64), ("hourglass", 128), ("vitpose-s", 64)]
)
def test_a_host_learns_with_and_without_a_parse_graph(host, side, rmpg):
    torch.manual_seed(1)
    network = networks.find(host + rmpg).build(17, Size(side, side))
    optimizer = torch.optim.Adam(network.parameters(), 3e-4)
    image, target = torch.randn(2, 3, side, side), torch.rand(2, 17, side // 4, side // 4)
    losses = []
    for _ in range(6):
        loss = ((network(image) - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_a_parse_graph_leaves_a_trained_host_as_it_was():
    plain, refined = SimpleBaseline(50).eval(), SimpleBaseline(50, rmpg=True).eval()
    missing, unexpected = refined.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert all(key.startswith("rmpg.") for key in missing)
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(refined(image), plain(image))


def test_the_hierarchical_network_learns_parts_and_answers_with_joints():
    torch.manual_seed(2)
    network = HierarchicalRMPG(50)
    maps, parts = network(torch.randn(2, 3, 64, 64))
    assert maps.shape == (2, 17, 16, 16)
    assert [p.shape for p in parts] == [(2, 2, 4, 4), (2, 5, 4, 4)]
    torch.stack([level.square().mean() for level in parts]).sum().backward()
    assert all(head.weight.grad.abs().max() > 0 for head in network.part_heads)
    assert network.final_layer.weight.grad is None
    assert network.eval()(torch.randn(1, 3, 64, 64)).shape == (1, 17, 16, 16)


@pytest.mark.parametrize("skeleton", [skeletons.CROWDPOSE_14, skeletons.MPII_16])
def test_the_other_keypoint_sets_are_consistent(skeleton):
    keypoints = len(skeleton)
    assert skeletons.skeleton_of(keypoints) is skeleton
    assert len(skeleton.oks_sigmas) == keypoints
    assert {i for bone in skeleton.bones for i in bone} == set(range(keypoints))
    for i, mirrored_index in enumerate(skeleton.flip_permutation):
        assert skeleton.flip_permutation[mirrored_index] == i
        mirrored = skeleton.keypoint_names[i].replace("left", "#").replace("right", "left")
        assert skeleton.keypoint_names[mirrored_index] == mirrored.replace("#", "right")


def _tuple(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)
