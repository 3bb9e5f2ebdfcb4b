"""Small seeded families of pose networks as others write them, learned by heart in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_edge.geometry import Size, crop_view, transform
from litepose_edge.manifest import Manifest
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.conversion.sample_inputs import calibration_inputs, shuffled

SIDE, STRIDE, SCENES = 64, 4, 20
# Spread of the Gaussians, in cells of a map, in bins of a classification.
CELLS, BINS = 1.5, 4.0


def write_scenes(folder: Path, keypoints: int) -> Path:
    """Twenty pictures of as many dots as keypoints, each of its own colour and about its place."""
    rng = np.random.default_rng(20)
    (folder / "images").mkdir(parents=True)
    homes = rng.uniform(14, SIDE - 14, (keypoints, 2))
    hues = (np.arange(keypoints) * 180 // keypoints).astype(np.uint8)
    colours = cv2.cvtColor(
        np.stack([hues, np.full_like(hues, 255), np.full_like(hues, 255)], 1)[None],
        cv2.COLOR_HSV2BGR,
    )[0]
    images, people = [], []
    for number in range(1, SCENES + 1):
        points = (homes + rng.uniform(-6, 6, homes.shape)).round()
        picture = rng.integers(0, 60, (SIDE, SIDE, 3), np.uint8)
        for (x, y), colour in zip(points.astype(int).tolist(), colours.tolist(), strict=True):
            cv2.circle(picture, (x, y), 2, colour, -1)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), picture)
        images.append({"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE})
        # Padded by 1.25 it is the whole picture.
        box = [0.1 * SIDE, 0.1 * SIDE, 0.8 * SIDE, 0.8 * SIDE]
        people.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
                "keypoints": [v for x, y in points.tolist() for v in (x, y, 2)],
                "num_keypoints": keypoints,
            }
        )
    names = [f"dot-{i}" for i in range(keypoints)]
    category = {"id": 1, "name": "dots", "keypoints": names, "skeleton": []}
    path = folder / "dots.json"
    document = {"images": images, "annotations": people, "categories": [category]}
    path.write_text(json.dumps(document))
    return path


def overfit(network: nn.Module, manifest: Manifest, labels: Path, steps: int = 250) -> nn.Module:
    """Train until the scenes are known by heart."""
    dataset = read_coco(labels)
    images = torch.from_numpy(calibration_inputs(dataset, manifest, SCENES).batch(range(SCENES)))
    size = Size(SIDE, SIDE)
    places = np.stack(
        [
            transform(crop_view(image.boxes_xyxy[0], size, 1.25), image.keypoints[0, :, :2])
            for image in shuffled(dataset)
        ]
    )
    wanted = _targets(torch.from_numpy(places).float(), network(images[:1]))
    network.train()
    attention = any(isinstance(m, nn.MultiheadAttention) for m in network.modules())
    steps, rate = (2 * steps, 2e-3) if attention else (steps, 1e-2)
    optimizer = torch.optim.AdamW(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps)
    for _ in range(steps):
        found = network(images)
        found = found if isinstance(found, tuple) else (found,)
        # Peaks are few: the square of all cells would be least for empty maps.
        loss = sum(
            ((1 + 20 * want) * (got - want) ** 2).mean()
            for got, want in zip(found, wanted, strict=True)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def _targets(places: Tensor, example: Any) -> tuple[Tensor, ...]:
    """Gaussians of the keypoints: maps whose cells are centred, or bins of half a pixel."""
    if isinstance(example, tuple):
        bins = torch.arange(2.0 * SIDE)
        return tuple(
            torch.exp(-((bins - 2 * places[..., axis, None]) ** 2) / (2 * BINS**2))
            for axis in (0, 1)
        )
    cells = torch.arange(SIDE / STRIDE)
    at = (places + 0.5) / STRIDE - 0.5
    x, y = (torch.exp(-((cells - at[..., i, None]) ** 2) / (2 * CELLS**2)) for i in (0, 1))
    return (y[..., :, None] * x[..., None, :],)


def conv(width: int, out: int, stride: int = 1, size: int = 3, groups: int = 1) -> nn.Sequential:
    """A convolution, normalised."""
    layer = nn.Conv2d(width, out, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out))


class Mobile(nn.Module):
    """MobileNetV2-like, then three transposed convolutions."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 16, 2), nn.ReLU6(), conv(16, 24, 2), nn.ReLU6())
        self.down = nn.Sequential(conv(24, 32, 2), nn.ReLU6(), conv(32, 32, 2), nn.ReLU6())
        self.down2 = nn.Sequential(conv(32, 32, 2), nn.ReLU6())
        self.expand = nn.Sequential(conv(24, 48, 1, 1), nn.ReLU6(), conv(48, 48, 1, 3, 48))
        self.project = conv(48, 24, 1, 1)
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(32, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32))
            for _ in range(3)
        )
        self.skip = conv(24, 32, 1, 1)
        self.predict = nn.Conv2d(32, keypoints, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        skip = self.skip(x + self.project(F.relu6(self.expand(x))))
        x = self.down2(self.down(x))
        for layer in self.up:
            x = torch.relu(layer(x))
        return self.predict(torch.relu(x + skip))


class Residual(nn.Module):
    """ResNet-like, then PixelShuffle."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 32, 2), nn.ReLU(), conv(32, 48, 2), nn.ReLU())
        self.block = nn.Sequential(conv(48, 48), nn.ReLU(), conv(48, 48))
        self.down = nn.Sequential(conv(48, 64, 2), nn.ReLU())
        self.wide = nn.Conv2d(64, 128, 3, 1, 1)
        self.shuffle = nn.PixelShuffle(2)
        self.mix = nn.Sequential(nn.Conv2d(80, 48, 3, 1, 1), nn.ReLU())
        self.predict = nn.Conv2d(48, keypoints, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.relu(x + self.block(x))
        up = self.shuffle(torch.relu(self.wide(self.down(x))))
        return self.predict(self.mix(torch.cat([x, up], dim=1)))


class Shuffle(nn.Module):
    """ShuffleNet-like, with squeeze-and-excitation and HardSwish."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 24, 2), nn.Hardswish(), conv(24, 48, 2), nn.Hardswish())
        self.branches = nn.ModuleList(
            nn.Sequential(
                conv(24, 24, 1, 1), nn.Hardswish(), conv(24, 24, 1, 3, 24), conv(24, 24, 1, 1)
            )
            for _ in range(2)
        )
        self.squeeze, self.excite = nn.Conv2d(48, 12, 1), nn.Conv2d(12, 48, 1)
        self.mix = conv(48, 64)
        self.predict = nn.Conv2d(64, keypoints, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for branch in self.branches:
            left, right = x.chunk(2, dim=1)
            x = torch.cat([left, F.hardswish(branch(right))], dim=1)
            n, c, h, w = x.shape
            x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        gate = torch.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))
        x = x * F.hardsigmoid(self.excite(gate))
        return self.predict(F.hardswish(self.mix(x)))


class Vision(nn.Module):
    """A ViT over patches of 8, and a head that brings them to maps."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        tokens = (SIDE // 8) ** 2
        self.patches = nn.Conv2d(3, 64, 8, 8)
        self.places = nn.Parameter(torch.randn(1, tokens, 64) * 0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(64, 4, 128, 0.0, F.gelu, batch_first=True, norm_first=True)
            for _ in range(2)
        )
        self.up = nn.ConvTranspose2d(64, 48, 4, 2, 1)
        self.predict = nn.Conv2d(48, keypoints, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.places
        for block in self.blocks:
            x = block(x)
        x = x.transpose(1, 2).unflatten(2, (SIDE // 8, SIDE // 8))
        return self.predict(torch.relu(self.up(x)))


class Classified(nn.Module):
    """Convolutions, then one classification for x and one for y (SimCC)."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(3, 32, 2), nn.SiLU(), conv(32, 48, 2), nn.SiLU(), conv(48, 48), nn.SiLU(),
            nn.Conv2d(48, keypoints, 1),
        )  # fmt: skip
        cells = (SIDE // STRIDE) ** 2
        self.hidden = nn.Linear(cells, 128)
        self.x, self.y = nn.Linear(128, 2 * SIDE), nn.Linear(128, 2 * SIDE)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.hidden(self.body(x).flatten(2)))
        return self.x(x), self.y(x)


class Grouped(nn.Module):
    """GroupNorm everywhere."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1), nn.GroupNorm(4, 32), nn.ReLU(),
            nn.Conv2d(32, 48, 3, 2, 1), nn.GroupNorm(8, 48), nn.ReLU(),
            nn.Conv2d(48, 48, 3, 1, 1), nn.GroupNorm(8, 48), nn.ReLU(),
            nn.Conv2d(48, keypoints, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Sampled(nn.Module):
    """Features read at learned places of each cell (grid_sample)."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 32, 2), nn.ReLU(), conv(32, 48, 2), nn.ReLU())
        self.offsets = nn.Conv2d(48, 2, 3, 1, 1)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)
        line = torch.linspace(-1, 1, SIDE // STRIDE)
        y, x = torch.meshgrid(line, line, indexing="ij")
        self.register_buffer("grid", torch.stack([x, y], dim=-1)[None])
        self.mix = nn.Sequential(conv(96, 64), nn.ReLU())
        self.predict = nn.Conv2d(64, keypoints, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        moved = self.grid + 0.1 * torch.tanh(self.offsets(x)).permute(0, 2, 3, 1)
        sampled = F.grid_sample(x, moved, align_corners=True)
        return self.predict(self.mix(torch.cat([x, sampled], dim=1)))


FAMILIES: dict[str, type[nn.Module]] = {
    "mobilenet-deconvolutions": Mobile,
    "resnet-pixelshuffle": Residual,
    "shufflenet-se-hardswish": Shuffle,
    "vit": Vision,
    "simcc": Classified,
    "groupnorm": Grouped,
    "grid-sample": Sampled,
}
