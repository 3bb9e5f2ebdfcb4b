"""A PyTorch network of one's own to ONNX, checked, and onto a photograph.

python examples/networks/bring_your_own_network.py photo.jpg 60,0,440,511 own.onnx
"""

import sys

import torch
from torch import Tensor, nn

import litepose_export as lx
from litepose_edge import COCO_17, Estimator


class Tiny(nn.Module):
    """Three layers that halve, one that predicts: a map a keypoint at an eighth of the input."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)
        self.third, self.predict = nn.Conv2d(32, 64, 3, 2, 1), nn.Conv2d(64, keypoints, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x))))
        maps: Tensor = self.predict(torch.relu(self.third(x)))
        return maps


def main(photograph: str, box: str, file: str) -> None:
    manifest = lx.heatmap_manifest("tiny", input_size=(96, 128), skeleton=COCO_17)
    report = lx.export(Tiny(len(COCO_17)), file, manifest)  # checkpoint="w.pt" for trained weights
    print(f"{file}: {report.macs:,} MACs, differs by {report.tensor_difference:.1e} from PyTorch")
    boxes = [[float(edge) for edge in box.split(",")]]
    with Estimator(file, detector=None) as estimator:
        print(estimator.predict(photograph, boxes_xyxy=boxes)[0].keypoints)


if __name__ == "__main__":
    main(*sys.argv[1:] if len(sys.argv) == 4 else sys.exit(__doc__))
