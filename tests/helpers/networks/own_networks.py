"""Small seeded networks as users bring them: none of ours."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect


def settle(network: nn.Module) -> nn.Module:
    """Normalisations as after training: none of them does nothing."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return network.eval()


class Bottleneck(nn.Module):
    """MobileNetV2's block, its layers called one by one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(width, 2 * width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(2 * width)
        self.depthwise = nn.Conv2d(2 * width, 2 * width, 3, 1, 1, groups=2 * width, bias=False)
        self.bn2 = nn.BatchNorm2d(2 * width)
        self.project = nn.Conv2d(2 * width, width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn1(self.expand(x)))
        y = F.relu6(self.bn2(self.depthwise(y)))
        return x + self.bn3(self.project(y))


class Deconvolutions(nn.Module):
    """MobileNetV2-like, three transposed convolutions, a normalised sum, maps by name."""

    def __init__(self, keypoints: int = 17) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.down = nn.Conv2d(16, 16, 3, 2, 1, bias=False)
        self.block = Bottleneck(16)
        self.down2 = nn.Conv2d(16, 16, 3, 2, 1)
        self.up1 = nn.ConvTranspose2d(16, 16, 4, 2, 1, groups=4, bias=False)
        self.side = nn.ConvTranspose2d(16, 16, 4, 2, 1, bias=False)
        self.of_sum = nn.BatchNorm2d(16)
        self.up2 = nn.ConvTranspose2d(16, 16, 4, 2, 1)
        self.before = nn.BatchNorm2d(16)
        self.predict = nn.Conv2d(16, keypoints, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = torch.relu(self.norm(self.stem(x)))
        x = self.down2(self.block(self.down(x)))
        x = torch.relu(self.of_sum(self.up1(x) + self.side(x)))
        x = torch.relu(self.up2(x))
        return {"features": x, "heatmaps": self.predict(self.before(x))}


class Squeeze(nn.Module):
    """Squeeze-and-excitation, HardSwish, split and shuffled channels, GroupNorm, PixelShuffle."""

    def __init__(self, keypoints: int = 17) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 4, 1)
        self.branch = nn.Conv2d(8, 8, 3, 1, 1)
        self.squeeze = nn.Conv2d(16, 4, 1)
        self.excite = nn.Conv2d(4, 16, 1)
        self.wide = nn.Conv2d(16, 32, 1)
        self.norm = nn.GroupNorm(4, 8)
        self.predict = nn.Conv2d(8, keypoints, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.hardswish(self.stem(x))
        left, right = x.chunk(2, dim=1)
        x = torch.cat([left, self.branch(right)], dim=1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        gate = torch.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        x = x * torch.sigmoid(self.excite(gate))
        x = F.pixel_shuffle(F.hardswish(self.wide(x)), 2)
        return [self.predict(F.gelu(self.norm(x)))]


class Transformer(nn.Module):
    """A ViT of two blocks over patches of 16, and a SimCC head."""

    def __init__(self, keypoints: int = 17, width: int = 96, height: int = 128) -> None:
        super().__init__()
        tokens = (width // 16) * (height // 16)
        self.patches = nn.Conv2d(3, 32, 16, 16)
        self.places = nn.Parameter(torch.randn(1, tokens, 32) * 0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(32, 4, 64, 0.0, F.gelu, batch_first=True, norm_first=True)
            for _ in range(2)
        )
        self.keypoints = nn.Linear(tokens, keypoints)
        self.x = nn.Linear(32, 2 * width)
        self.y = nn.Linear(32, 2 * height)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.places
        for block in self.blocks:
            x = block(x)
        x = self.keypoints(x.transpose(1, 2)).transpose(1, 2)
        return self.x(x), self.y(x)


class MakesTensors(nn.Module):
    """A head of coordinates: expected place of each map; makes its grids as float32 in forward."""

    def __init__(self, keypoints: int = 17) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, keypoints, 8, 8)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.body(x)
        n, k, h, w = maps.shape
        weights = maps.flatten(2).softmax(-1)
        places = torch.arange(h * w, dtype=torch.float32)
        column, row = places % w, torch.floor(places / w)
        found = [weights @ column / w, weights @ row / h, weights.amax(-1)]
        return torch.stack(found, dim=-1).reshape(n, k, 3)


def build(keypoints: int = 17, input_size: Any = None) -> nn.Module:
    """What `own_networks:build` names on the command line."""
    torch.manual_seed(0)
    return settle(Deconvolutions(keypoints))


class YoloPose(nn.Module):
    """A YOLO pose head on one level of stride 8, untrained, sure of a few cells.

    Args:
        keypoints: How many.
        side: Of the input, in pixels.
        end_to_end: Give the best 20 as rows, box edges first.
    """

    def __init__(self, keypoints: int = 17, side: int = 64, *, end_to_end: bool = False) -> None:
        super().__init__()
        self.keypoints, self.end_to_end = keypoints, end_to_end
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.down = nn.Conv2d(16, 32, 3, 2, 1)
        self.deep = nn.Conv2d(32, 32, 3, 2, 1)
        self.wide = nn.Conv2d(32, 32, 3, 1, 1)
        self.head = nn.Conv2d(32, 5 + 3 * keypoints, 1)
        for layer in (self.stem, self.down, self.deep, self.wide):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        cells = torch.arange(side // 8) * 8.0 + 4
        rows, columns = torch.meshgrid(cells, cells, indexing="ij")
        self.register_buffer("cells", torch.stack([columns, rows]).flatten(1)[None])

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.stem, self.down, self.deep, self.wide):
            x = F.relu(layer(x))
        y = self.head(x).flatten(2)
        middle = self.cells + 4 * torch.tanh(y[:, :2])
        size = 24 + 8 * torch.sigmoid(y[:, 2:4])
        score = torch.sigmoid(8 * y[:, 4:5] - 2)
        points = y[:, 5:].unflatten(1, (self.keypoints, 3))
        places = self.cells[:, None] + 12 * torch.tanh(points[:, :, :2])
        table = torch.cat([places, torch.sigmoid(points[:, :, 2:] + 1)], dim=2).flatten(1, 2)
        if not self.end_to_end:
            return torch.cat([middle, size, score, table], dim=1)
        edges = torch.cat([middle - size / 2, middle + size / 2], dim=1)
        rows = torch.cat([edges, score, torch.zeros_like(score), table], dim=1).transpose(1, 2)
        best = score[:, 0].topk(20).indices[..., None]
        return rows.gather(1, best.expand(-1, -1, rows.shape[2]))
