"""Trained networks that an EfficientPose starts from: read by their shapes, and remapped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from litepose_export.errors import CheckpointError  # noqa: E402
from litepose_export.models.architectures.efficientpose import (  # noqa: E402
    Arch,
    Block,
    EfficientPose,
)
from litepose_export.models.remapping.remap import centred, remap_network  # noqa: E402
from litepose_export.models.remapping.seed_network import read_seed  # noqa: E402
from litepose_export.training.core.initialization import start_from  # noqa: E402

pytestmark = pytest.mark.export
WIDTHS, DEPTHS, STRIDES = (16, 24, 32, 48), (2, 1, 2, 2), (2, 2, 2, 1)


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


class Residual(nn.Module):
    """An inverted residual under torchvision's names."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        inside = inputs * expand
        grown = [conv(inputs, inside, 1), nn.BatchNorm2d(inside), nn.ReLU()] if expand > 1 else []
        depthwise = [conv(inside, inside, 3, stride, inside), nn.BatchNorm2d(inside), nn.ReLU()]
        self.conv = nn.Sequential(
            *grown, *depthwise, conv(inside, outputs, 1), nn.BatchNorm2d(outputs)
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class MobileNet(nn.Module):
    """MobileNetV2 in small: `(N, 3, H, W)` to features at stride 16."""

    def __init__(self) -> None:
        super().__init__()
        first = nn.Sequential(conv(3, 32, 3, 2), nn.BatchNorm2d(32), nn.ReLU())
        layers: list[nn.Module] = [first, Residual(32, 8, 1, 1)]
        inputs = 8
        for outputs, depth, stride in zip(WIDTHS, DEPTHS, STRIDES, strict=True):
            for index in range(depth):
                layers.append(Residual(inputs, outputs, stride if index == 0 else 1, 6))
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(inputs, 10)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.features(x)
        return features


def trained() -> MobileNet:
    """One whose normalisations do something."""
    torch.manual_seed(0)
    network = MobileNet()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def features(network: EfficientPose) -> nn.Module:
    return nn.Sequential(network.first, network.blocks).eval()


def build(stages: Sequence[Sequence[Block | None]]) -> EfficientPose:
    torch.manual_seed(1)
    return EfficientPose(Arch(8, WIDTHS, tuple(map(tuple, stages))), 5)


def uniform(kernel: int, expand: int) -> list[list[Block | None]]:
    return [[Block(kernel, expand)] * depth for depth in DEPTHS]


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_features_are_those_of_the_classifier(kernel: int) -> None:
    """Of the network of its own blocks, and of larger kernels."""
    classifier = trained()
    network = build(uniform(kernel, 6))
    assert remap_network(network, classifier.state_dict()) == 7 + 15
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            features(network)(images), classifier(images), rtol=1e-4, atol=1e-4
        )


def test_layers_that_are_left_out_are_passed_over() -> None:
    """The block behind one is the third of its stage, and takes the third's weights."""
    stages = uniform(3, 6)
    stages[0].insert(1, None)
    network, state = build(stages), trained().state_dict()
    remap_network(network, state)
    own = network.blocks.stages.get_submodule("x2_ir_k3_e6").state_dict()
    torch.testing.assert_close(own["dw.conv.weight"], state["features.3.conv.3.weight"])


def test_a_run_starts_from_a_classifier(tmp_path: Path) -> None:
    classifier = trained()
    torch.save(classifier.state_dict(), tmp_path / "classifier.pth")
    network = build(uniform(5, 6))
    left = network.first[0].conv.weight.clone()
    start_from(network, tmp_path / "classifier.pth", lambda _: None, ["first"])
    assert torch.equal(network.first[0].conv.weight, left)
    start_from(network, tmp_path / "classifier.pth", lambda _: None)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            features(network)(images), classifier(images), rtol=1e-4, atol=1e-4
        )


def test_weights_of_the_same_blocks_are_taken_as_they_are(tmp_path: Path) -> None:
    """Also where the keypoints differ: only the predictions stay new."""
    stages = uniform(3, 6)
    torch.manual_seed(2)
    other = EfficientPose(Arch(8, WIDTHS, tuple(map(tuple, stages))), 9)
    torch.save({"average": other.state_dict()}, tmp_path / "last.pt")
    network = build(stages)
    predictions = network.final[2].weight.clone()
    start_from(network, tmp_path / "last.pt", lambda _: None)
    own = network.state_dict()
    assert torch.equal(own.pop("final.2.weight"), predictions)
    own.pop("final.2.bias")
    for name, tensor in own.items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_stages_begin_where_the_width_changes() -> None:
    seed = read_seed(trained().state_dict())
    assert [len(stage) for stage in seed.stages] == list(DEPTHS)
    assert [len(stage[0]["pwl.conv.weight"]) for stage in seed.stages] == list(WIDTHS)
    assert seed.others["first.2.weight"].shape == (8, 32, 1, 1)


def test_without_the_stem_blocks_are_taken_all_the_same() -> None:
    """Its first block grows: there is nothing of EfficientPose's stem but the convolution."""
    state = {k: v for k, v in trained().state_dict().items() if not k.startswith("features.1.")}
    seed = read_seed(state)
    assert [len(stage) for stage in seed.stages] == list(DEPTHS)
    assert {key.split(".")[1] for key in seed.others} == {"0"}


class SqueezeAndExcitation(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(width, 4, 1), nn.Conv2d(4, width, 1)


def test_squeeze_and_excitation_and_other_networks_are_refused() -> None:
    block = nn.Sequential(
        conv(8, 48, 1),
        nn.BatchNorm2d(48),
        conv(48, 48, 3, groups=48),
        nn.BatchNorm2d(48),
        SqueezeAndExcitation(48),
        conv(48, 8, 1),
        nn.BatchNorm2d(8),
    )
    for state in (block.state_dict(), {"x": torch.zeros(1)}, {}):
        with pytest.raises(CheckpointError, match="no inverted residuals without squeeze"):
            read_seed(state)


def test_blocks_of_the_published_space_are_told_by_name() -> None:
    seed = read_seed(build(uniform(5, 3)).state_dict())
    assert seed.stages[0][0]["dw.conv.weight"].shape == (24, 1, 5, 5)
    assert "final.2.weight" in seed.others


def test_kernels_are_cut_and_padded_around_their_centre() -> None:
    kernel = torch.arange(25.0).view(1, 1, 5, 5)
    torch.testing.assert_close(centred(kernel, 3), kernel[..., 1:4, 1:4])
    grown = centred(kernel, 7)
    torch.testing.assert_close(grown[..., 1:6, 1:6], kernel)
    assert float(grown.sum()) == float(kernel.sum())
