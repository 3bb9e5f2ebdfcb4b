"""Trains on keypoints that are not a person's, and finds them in the pictures of another file.

python examples/networks/other_keypoints.py hands/train.json hands/val.json runs/hands
"""

import subprocess
import sys
from pathlib import Path

import cv2

from litepose_edge import Estimator, Skeleton
from litepose_edge.measure.accuracy.coco import read_coco


def main(train: str, val: str, folder: str, epochs: str = "130", side: str = "160") -> None:
    skeleton = Skeleton.from_coco(train)
    print(f"{skeleton.name}: {len(skeleton)} keypoints, {len(skeleton.flip_pairs)} mirror pairs")
    model = f"{folder}/model.onnx"
    for command in (
        f"litepose-export train lrpose-s --init lrpose-s --stage finetune --data {train} "
        f"--dev {val} --out {folder} --epochs {epochs} --batch-size 25 "
        f"--height {side} --width {side}",
        f"litepose-export export lrpose-s --checkpoint {folder}/last.pt --out {model}",
    ):
        subprocess.run(command.split(), check=True)
    with Estimator(model, detector=None) as estimator:
        for image in read_coco(val):
            # Our detector finds people: other things need boxes of one's own, here the labels'.
            poses = estimator.predict(image.path, boxes_xyxy=image.boxes_xyxy)
            drawn = Path(folder, f"{image.path.stem}.png")
            cv2.imwrite(str(drawn), poses.draw(cv2.imread(str(image.path))))


if __name__ == "__main__":
    main(*sys.argv[1:] if len(sys.argv) > 3 else sys.exit(__doc__))
