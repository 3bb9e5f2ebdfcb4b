"""ViTPose S / B: a plain vision transformer with the classic two-deconvolution head.

Xu et al., NeurIPS 2022, arXiv 2204.12484. Names follow ViTAE-Transformer/ViTPose, so that its
checkpoints load as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_export.models.architectures.layers import deconv_layers, rewrite_deconv_sequence
from litepose_export.models.architectures.rmpg import RMPG

PATCH = 16
# The reference pads before cutting patches; the number of patches stays H/16 x W/16.
PATCH_PADDING = 2
HEAD = (256, 256)


@dataclass(frozen=True, slots=True)
class Arch:
    """Width, number of blocks and of attention heads."""

    width: int
    depth: int
    heads: int


PUBLISHED: dict[str, Arch] = {
    "vitpose-s": Arch(384, 12, 12),
    "vitpose-b": Arch(768, 12, 12),
}


class Attention(nn.Module):
    """Multi-head self-attention over all tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, T, width)` in and out."""
        n, tokens, width = x.shape
        qkv = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        joined: Tensor = self.proj(mixed.transpose(1, 2).reshape(n, tokens, width))
        return joined


class Mlp(nn.Module):
    """Two layers, four times as wide between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, T, width)` in and out."""
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, arch: Arch) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(arch.width, eps=1e-6)
        self.attn = Attention(arch.width, arch.heads)
        self.norm2 = nn.LayerNorm(arch.width, eps=1e-6)
        self.mlp = Mlp(arch.width)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, T, width)` in and out."""
        x = x + self.attn(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class PatchEmbed(nn.Module):
    """Image to one token a 16x16 patch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH, PATCH_PADDING)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, 3, H, W)` to `(N, width, H/16, W/16)`."""
        y: Tensor = self.proj(x)
        return y


class Backbone(nn.Module):
    """Patches, positions, blocks, a last normalisation."""

    def __init__(self, arch: Arch, patches: int) -> None:
        super().__init__()
        # The first position belongs to a class token that pose has no use for; it is added to all.
        self.pos_embed = nn.Parameter(torch.zeros(1, patches + 1, arch.width))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.patch_embed = PatchEmbed(arch.width)
        self.blocks = nn.ModuleList(Block(arch) for _ in range(arch.depth))
        self.last_norm = nn.LayerNorm(arch.width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, 3, H, W)` to `(N, width, H/16, W/16)`."""
        patches = self.patch_embed(x)
        rows, columns = patches.shape[2:]
        tokens = patches.flatten(2).transpose(1, 2)
        tokens = tokens + self.pos_embed[:, 1:] + self.pos_embed[:, :1]
        for block in self.blocks:
            tokens = block(tokens)
        features: Tensor = self.last_norm(tokens).transpose(1, 2).unflatten(2, (rows, columns))
        return features


class Head(nn.Module):
    """Two deconvolutions and a 1x1 prediction."""

    def __init__(self, width: int, keypoints: int) -> None:
        super().__init__()
        self.deconv_layers = deconv_layers(width, HEAD)
        self.final_layer = nn.Conv2d(HEAD[-1], keypoints, 1)
        for module in [*self.deconv_layers, self.final_layer]:
            if isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Stride 16 to stride 4."""
        maps: Tensor = self.final_layer(self.deconv_layers(x))
        return maps

    def rewrite_deconvolutions(self) -> None:
        """Replace the folded deconvolutions by 2x2 convolutions and interleaving."""
        self.deconv_layers = rewrite_deconv_sequence(self.deconv_layers)


class ViTPose(nn.Module):
    """`(N, 3, H, W)` normalised crop to `(N, K, H/4, W/4)` linear heatmaps.

    Args:
        arch: Width, depth, heads.
        keypoints: K.
        patches: H/16 times W/16; the positions are learned for it.
        rmpg: Refine the tokens, as a map at stride 16, by a parse graph before the head.
    """

    stride = 4

    def __init__(
        self, arch: Arch, keypoints: int = 17, patches: int = 192, *, rmpg: bool = False
    ) -> None:
        super().__init__()
        self.backbone = Backbone(arch, patches)
        self.rmpg = RMPG(arch.width) if rmpg else None
        self.keypoint_head = Head(arch.width, keypoints)

    def forward(self, x: Tensor) -> Tensor:
        """Heatmaps."""
        features = self.backbone(x)
        if self.rmpg is not None:
            features = self.rmpg(features)
        maps: Tensor = self.keypoint_head(features)
        return maps
