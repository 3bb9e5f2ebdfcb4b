"""SimpleBaseline: a ResNet, three deconvolutions, a 1x1 prediction.

Xiao et al., ECCV 2018, arXiv 1804.06208. Names follow microsoft/human-pose-estimation.pytorch.
"""

from __future__ import annotations

from torch import Tensor, nn

from litepose_export.models.architectures.layers import deconv_layers, rewrite_deconv_sequence
from litepose_export.models.architectures.resnet import EXPANSION, WIDTHS, ResNet
from litepose_export.models.architectures.rmpg import RMPG

HEAD = (256, 256, 256)


class SimpleBaseline(ResNet):
    """`(N, 3, H, W)` normalised crop to `(N, K, H/4, W/4)` linear heatmaps.

    Args:
        depth: 50 or 101.
        keypoints: K.
        rmpg: Refine the features at stride 16, behind the first deconvolution, by a parse graph.
    """

    stride = 4

    def __init__(self, depth: int, keypoints: int = 17, *, rmpg: bool = False) -> None:
        super().__init__(depth)
        self.deconv_layers = deconv_layers(WIDTHS[-1] * EXPANSION, HEAD)
        self.final_layer = nn.Conv2d(HEAD[-1], keypoints, 1)
        for module in [*self.deconv_layers, self.final_layer]:
            if isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)
        self.rmpg = RMPG(HEAD[0]) if rmpg else None

    def forward(self, x: Tensor) -> Tensor:
        """Heatmaps."""
        *_, y = self.features(x)
        for number, layer in enumerate(self.deconv_layers):
            y = layer(y)
            if self.rmpg is not None and number == self._first_step:
                y = self.rmpg(y)
        maps: Tensor = self.final_layer(y)
        return maps

    @property
    def _first_step(self) -> int:
        """Index of the last layer of the first of three upsampling steps."""
        return len(self.deconv_layers) // len(HEAD) - 1

    def rewrite_deconvolutions(self) -> None:
        """Replace the folded deconvolutions by 2x2 convolutions and interleaving."""
        self.deconv_layers = rewrite_deconv_sequence(self.deconv_layers)
