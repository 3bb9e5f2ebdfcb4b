"""Draws the people of an image and writes the picture.

python examples/pictures/draw.py photo.jpg drawn.png
"""

import sys

import cv2

from litepose_edge import Estimator


def main(source: str, target: str) -> None:
    with Estimator() as estimator:
        poses = estimator.predict(source)
    if not cv2.imwrite(target, poses.draw(source, scores=True)):
        sys.exit(f"cannot write {target}")
    print(f"{len(poses)} people drawn into {target}")


if __name__ == "__main__":
    main(*sys.argv[1:] if len(sys.argv) == 3 else sys.exit(__doc__))
