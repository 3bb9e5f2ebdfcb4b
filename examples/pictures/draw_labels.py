"""Draws the labels of a COCO keypoint file, of whatever keypoints: people, hands, animals.

python examples/pictures/draw_labels.py hands/train.json drawn
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from litepose_edge import Skeleton, drawing
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.sources import read_image


def main(labels: str, folder: str) -> None:
    skeleton = Skeleton.from_coco(labels)
    print(f"{skeleton.name}: {len(skeleton)} keypoints, {len(skeleton.flip_pairs)} mirror pairs")
    Path(folder).mkdir(exist_ok=True)
    for image in read_coco(labels):
        seen = (image.keypoints[..., 2] > 0).astype(np.float32)
        picture = read_image(image.path, upright=False)
        drawn = drawing.draw_people(picture, image.keypoints[..., :2], seen, skeleton)
        cv2.imwrite(str(Path(folder, f"{image.path.stem}.png")), drawn)


if __name__ == "__main__":
    main(*sys.argv[1:] if len(sys.argv) == 3 else sys.exit(__doc__))
