"""Uses boxes of your own: no detector is loaded, one person comes back per box.

python examples/pictures/own_boxes.py photo.jpg 60,0,440,511 [x1,y1,x2,y2 ...]
"""

import sys

from litepose_edge import Estimator


def main(path: str, boxes: list[str]) -> None:
    boxes_xyxy = [[float(edge) for edge in box.split(",")] for box in boxes]
    with Estimator(detector=None) as estimator:
        poses = estimator.predict(path, boxes_xyxy=boxes_xyxy)
    for box, person in zip(boxes, poses, strict=True):
        nose = person["nose"]
        print(f"box {box}: nose at ({nose.x:.1f}, {nose.y:.1f}), score {nose.score:.2f}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 2 else sys.exit(__doc__), sys.argv[2:])
