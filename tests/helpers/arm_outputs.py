"""Where the keypoints of some people land; run natively and on an emulated machine to compare.

python arm_outputs.py JOB.json OUT.npz
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from litepose_edge import Estimator, backends
from litepose_edge.sources import read_image


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    keypoints, scores, boxes, sure, people = [], [], [], [], []
    with Estimator(job["model"], detector=job["detector"], threads=1) as estimator:
        for path, given in job["images"]:
            image = read_image(path, upright=False)
            poses = estimator.predict(image, boxes_xyxy=given)
            keypoints.append(poses.keypoints)
            scores.append(poses.scores)
            boxes.append(poses.boxes_xyxy)
            sure.append(poses.person_scores)
            people.append(len(poses))
    pose = backends.find_model(job["model"])
    quantization = pose.manifest.quantization
    np.savez(
        sys.argv[2],
        keypoints=np.concatenate(keypoints),
        scores=np.concatenate(scores),
        boxes=np.concatenate(boxes),
        person_scores=np.concatenate(sure),
        people=people,
        model_file=pose.path.name,
        scheme=quantization.scheme if quantization else "float",
        machine=os.uname().machine,
        exact=backends.u8s8_is_exact(),
        onnxruntime=onnxruntime.__version__,
    )


if __name__ == "__main__":
    main()
