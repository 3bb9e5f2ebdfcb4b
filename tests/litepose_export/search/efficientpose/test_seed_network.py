"""Classifiers that EfficientPose's search starts from: read by their shapes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.errors import CheckpointError  # noqa: E402
from litepose_export.search.efficientpose.mixed import single  # noqa: E402
from litepose_export.search.efficientpose.remap import remap  # noqa: E402
from litepose_export.search.efficientpose.seed_network import read_seed  # noqa: E402
from litepose_export.search.efficientpose.space import (  # noqa: E402
    EfficientPoseSpace,
    Layout,
)
from litepose_export.search.efficientpose.supernet import make_supernet  # noqa: E402

pytestmark = pytest.mark.export
WIDTHS, DEPTHS, STRIDES = (16, 24, 32, 48), (2, 1, 2, 2), (2, 2, 2, 1)
SPACE = EfficientPoseSpace(Layout(8, WIDTHS, DEPTHS), 5, Size(64, 64))


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


def test_features_are_those_of_the_classifier() -> None:
    """Of the network of its own blocks, which the super-network holds, and of larger kernels."""
    classifier = trained()
    supernet = make_supernet(SPACE).eval()
    remap(supernet, SPACE, classifier.state_dict())
    supernet.after = nn.Identity()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        wanted = classifier(images)
        for kernel in (3, 5, 7):
            supernet.gates = single(SPACE.uniform(kernel, 6))
            torch.testing.assert_close(supernet(images), wanted, rtol=1e-4, atol=1e-4)
        supernet.gates = single(SPACE.uniform(3, 3))
        assert float((supernet(images) - wanted).abs().max()) > 0.01


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
    seed = read_seed(SPACE.build(SPACE.uniform(5, 3)).state_dict())
    assert seed.stages[0][0]["dw.conv.weight"].shape == (24, 1, 5, 5)
    assert "final.2.weight" in seed.others
