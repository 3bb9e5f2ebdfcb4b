"""How far INT8 moves the keypoints of the released pose network, on labelled people.

    python benchmarks/int8_shift.py dev.json

Over labelled joints that FP32 scores above 0.3; pixels of the 256-pixel-high crop.
"""

from __future__ import annotations

import sys

import numpy as np

from litepose_edge import Estimator
from litepose_edge.measure.coco import read_coco
from litepose_edge.sources import read_image

INPUT_HEIGHT, INPUT_WIDTH, PADDING, MIN_SCORE = 256, 192, 1.25, 0.3


def main(data: str) -> None:
    """Compare both precisions on every labelled person."""
    shifts: list[np.ndarray] = []
    joints = 0
    with Estimator(precision="fp32") as exact, Estimator(precision="int8") as fast:
        for image in read_coco(data):
            labelled = image.keypoints[..., 2] > 0
            people = labelled.any(axis=1)
            if not people.any():
                continue
            pixels = read_image(image.path, upright=False)
            boxes = image.boxes_xyxy[people]
            a, b = (e.predict(pixels, boxes_xyxy=boxes) for e in (exact, fast))
            extent = boxes[:, 2:] - boxes[:, :2]
            aspect = INPUT_HEIGHT / INPUT_WIDTH
            height = PADDING * np.maximum(extent[:, 1], extent[:, 0] * aspect)
            shift = np.linalg.norm(a.keypoints - b.keypoints, axis=2)
            counted = labelled[people] & (a.scores > MIN_SCORE)
            joints += int(labelled.sum())
            shifts.append((shift * INPUT_HEIGHT / height[:, None])[counted])
    shift = np.concatenate(shifts)
    print(
        f"{len(shift)} of {joints} labelled joints ({len(shift) / joints:.0%}): "
        f"median {np.median(shift):.3f} px, p95 {np.percentile(shift, 95):.3f} px"
    )


if __name__ == "__main__":
    main(sys.argv[1])
