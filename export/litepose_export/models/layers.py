"""The layers LRPose and the person detector are built from: dense, INT8-friendly, ReLU only."""

from __future__ import annotations

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
