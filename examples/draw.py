"""Draws the people of an image and writes the picture.

python examples/draw.py photo.jpg drawn.png
"""

import sys

import cv2

from litepose_edge import Estimator
from litepose_edge.sources import read_image


def main(source: str, target: str) -> None:
    image = read_image(source)
    with Estimator() as estimator:
        poses = estimator.predict(image)
    if not cv2.imwrite(target, poses.draw(image, min_score=0.3)):
        sys.exit(f"cannot write {target}")
    print(f"{len(poses)} people drawn into {target}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
