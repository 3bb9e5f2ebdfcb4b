"""Layers that several networks share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ConvBN(nn.Sequential):
    """Convolution, batch normalisation and (unless `relu=False`) ReLU; keeps `H x W / stride`."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, relu: bool = True
    ) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            *([nn.ReLU(inplace=True)] if relu else []),
        )


class FusedBlock(nn.Module):
    """Dense 3x3 to `middle` channels, 1x1 back to `outputs`; a residual where shapes allow.

    The ReLU comes after the sum, so that every tensor between blocks is non-negative and an
    unsigned 8-bit scale wastes no code on values that cannot occur.
    """

    def __init__(self, inputs: int, middle: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.expand = ConvBN(inputs, middle, 3, stride)
        self.project = ConvBN(middle, outputs, 1, relu=False)
        self.relu = nn.ReLU(inplace=True)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H / stride, W / stride)`."""
        y = self.project(self.expand(x))
        y = y + x if self.residual else y
        activated: Tensor = self.relu(y)
        return activated


def initialise(network: nn.Module) -> None:
    """He-initialise every convolution; start every residual branch as the identity."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, FusedBlock) and module.residual:
            normalisation = module.project[1]
            assert isinstance(normalisation, nn.BatchNorm2d)
            nn.init.zeros_(normalisation.weight)


class SeparableHead(nn.Module):
    """Depthwise 5x5 with batch normalisation and ReLU, then 1x1 to the maps."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, inputs, 5, 1, 2, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(inputs, outputs, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H, W)`."""
        maps: Tensor = self.conv(x)
        return maps


class InterleavedDeconv(nn.Module):
    """A 4x4 stride-2 deconvolution as a 2x2 convolution, four crops and an interleaving: exact.

    Every output pixel of such a deconvolution sees 2x2 inputs; which ones depends on whether
    its row and column are even. So one 2x2 convolution on the padded input gives the four
    kinds of pixels side by side. Unlike a deconvolution it runs in INT8. The ReLU comes before
    the crops, where a convolution absorbs it.

    Args:
        weight: `(inputs, outputs, 4, 4)`, of a deconvolution with stride 2 and padding 1.
        bias: `(outputs,)` or None.
        relu: Whether a ReLU follows.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, relu: bool) -> None:
        super().__init__()
        inputs, outputs = weight.shape[:2]
        if weight.shape[2:] != (4, 4):
            raise ValueError(f"only 4x4 kernels can be rewritten, got {tuple(weight.shape[2:])}")
        self.outputs = outputs
        self.convolution = nn.Conv2d(inputs, 4 * outputs, 2, 1, 1, bias=bias is not None)
        kinds = []
        for row in (0, 1):
            for column in (0, 1):
                # Even rows take kernel rows 3 and 1 (the farther input first), odd ones 2 and 0.
                rows, columns = [3 - row, 1 - row], [3 - column, 1 - column]
                kinds.append(weight[:, :, rows][:, :, :, columns].transpose(0, 1))
        with torch.no_grad():
            self.convolution.weight.copy_(torch.cat(kinds))
            if bias is not None:
                assert self.convolution.bias is not None
                self.convolution.bias.copy_(bias.repeat(4))
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, 2H, 2W)`."""
        height, width = x.shape[2:]
        kinds = self.relu(self.convolution(x)).split(self.outputs, dim=1)
        cropped = [
            kinds[2 * row + column][:, :, row : row + height, column : column + width]
            for row in (0, 1)
            for column in (0, 1)
        ]
        return interleave(torch.stack(cropped, dim=2))


def interleave(kinds: Tensor) -> Tensor:
    """Pixels of even and odd rows and columns, side by side, to one map of them all.

    Pixel shuffle in two steps, columns first and then rows: ONNX Runtime moves one axis at a time
    in a quarter of the time of its DepthToSpace.

    Args:
        kinds: `(N, C, 4, H, W)`: even rows' even columns, their odd ones, odd rows' even, odd.

    Returns:
        `(N, C, 2H, 2W)`.
    """
    rows = torch.unflatten(kinds, 2, (2, 2)).movedim(3, 5).flatten(4)
    return rows.movedim(2, 3).flatten(2, 3)


def deconv_layers(inputs: int, widths: Sequence[int]) -> nn.Sequential:
    """SimpleBaseline's upsampling: 4x4 stride-2 deconvolutions, each normalised, with a ReLU."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [
            nn.ConvTranspose2d(inputs, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        inputs = width
    return nn.Sequential(*layers)


def summed_deconv(deconvolutions: Sequence[nn.ConvTranspose2d]) -> InterleavedDeconv:
    """Folded deconvolutions whose sum goes through ReLU, as one convolution over all inputs.

    The first may have a bias.
    """
    weight = torch.cat([deconvolution.weight for deconvolution in deconvolutions])
    return InterleavedDeconv(weight, deconvolutions[0].bias, relu=True)


def rewrite_deconv_sequence(layers: nn.Sequential) -> nn.Sequential:
    """Rewrite every folded `deconvolution, identity, ReLU` of a sequence; others stay.

    Raises:
        ValueError: A deconvolution is not 4x4 with stride 2, or still has its normalisation.
    """
    found = list(layers)
    rewritten: list[nn.Module] = []
    for i, layer in enumerate(found):
        if isinstance(layer, nn.ConvTranspose2d):
            if layer.stride != (2, 2) or layer.padding != (1, 1) or layer.groups != 1:
                raise ValueError(f"only dense deconvolutions of stride 2 can be rewritten: {layer}")
            if i + 1 < len(found) and isinstance(found[i + 1], nn.BatchNorm2d):
                raise ValueError("fold the batch normalisation first")
            rewritten.append(InterleavedDeconv(layer.weight, layer.bias, relu=True))
        elif not isinstance(layer, nn.Identity | nn.ReLU):
            rewritten.append(layer)
    return nn.Sequential(*rewritten)
