"""CrowdPose's average precision: overall and by how crowded an image is (extra `eval`).

Li et al., CVPR 2019, arXiv 1812.00324: COCO's procedure with 14 keypoints of their own spread, a
person's area taken as 0.53 of the box, and images split by their crowd index.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from litepose_edge.errors import SourceError
from litepose_edge.measure.accuracy.coco_document import finite_numbers, read_document
from litepose_edge.measure.accuracy.coco_metrics import entries_of, require_pycocotools
from litepose_edge.skeletons import CROWDPOSE_14

AREA_PART = 0.53
# Ranges of the crowd index: above the first number, up to and including the second.
DIFFICULTIES = {"easy": (-1.0, 0.1), "medium": (0.1, 0.8), "hard": (0.8, 1.0)}


@dataclass(frozen=True, slots=True)
class CrowdMetrics:
    """CrowdPose's headline figures, each in `[0, 1]`; nan where no image is that crowded.

    Attributes:
        ap: Mean over OKS .50:.05:.95.
        ap50: At .50.
        ap75: At .75.
        ar: Average recall over the same thresholds.
        easy: AP over images of crowd index up to 0.1.
        medium: AP over images of crowd index up to 0.8.
        hard: AP over the others.
    """

    ap: float
    ap50: float
    ap75: float
    ar: float
    easy: float
    medium: float
    hard: float

    def to_dict(self) -> dict[str, float]:
        """Figures by name."""
        return asdict(self)


def crowdpose_metrics(
    annotations: str | PathLike[str],
    results: Sequence[dict[str, Any]],
    image_ids: Sequence[int] | None = None,
) -> CrowdMetrics:
    """Score results against a CrowdPose annotation file.

    Args:
        annotations: CrowdPose JSON: COCO's form, with `crowdIndex` in every image.
        results: Entries of COCO's results format, 14 keypoints each.
        image_ids: Images to score on; all unless given.

    Raises:
        BackendUnavailableError: pycocotools is not installed.
        SourceError: The file is not in CrowdPose's form.
    """
    truth = _read(Path(annotations))
    wanted = set(image_ids) if image_ids is not None else {e["id"] for e in truth["images"]}
    crowding = {e["id"]: float(e["crowdIndex"]) for e in truth["images"] if e["id"] in wanted}
    overall = _evaluate(truth, results, sorted(crowding))
    by_difficulty = [
        _evaluate(truth, results, sorted(i for i, c in crowding.items() if low < c <= high))[0]
        for low, high in DIFFICULTIES.values()
    ]
    return CrowdMetrics(*overall, *by_difficulty)


def _read(path: Path) -> dict[str, Any]:
    document = read_document(path)
    if len(document.keypoint_names) != len(CROWDPOSE_14):
        raise SourceError(
            f"{path} is not a CrowdPose file: it labels {len(document.keypoint_names)} keypoints, "
            f"expected {len(CROWDPOSE_14)}"
        )
    for entry in document.images:
        where = f"{path} is not a CrowdPose file: image {entry['id']}"
        finite_numbers([entry.get("crowdIndex")], 1, "crowdIndex", where)
    truth = document.to_coco()
    for person in truth["annotations"]:
        _, _, width, height = person["bbox"]
        person["area"] = AREA_PART * width * height
        person["num_keypoints"] = int(np.count_nonzero(person["keypoints"][2::3]))
    return truth


def _evaluate(
    truth: dict[str, Any], results: Sequence[dict[str, Any]], image_ids: list[int]
) -> tuple[float, float, float, float]:
    """AP, AP50, AP75 and AR over some images."""
    coco, coco_eval = require_pycocotools()
    if not image_ids:
        return (float("nan"),) * 4
    results = [r for r in results if r["image_id"] in set(image_ids)]
    if not results:
        return (0.0,) * 4
    with contextlib.redirect_stdout(io.StringIO()):
        labelled = coco()
        labelled.dataset = copy.deepcopy(truth)
        labelled.createIndex()
        evaluation = coco_eval(
            labelled, labelled.loadRes(entries_of(results, "keypoints")), "keypoints"
        )
        params = evaluation.params
        params.imgIds = image_ids
        params.kpt_oks_sigmas = np.array(CROWDPOSE_14.oks_sigmas)
        params.areaRng, params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, 0, 0, 0]
    recall = evaluation.eval["recall"][:, 0, 0, 0]
    thresholds = list(np.round(params.iouThrs, 2))
    return (
        _mean(precision),
        _mean(precision[thresholds.index(0.5)]),
        _mean(precision[thresholds.index(0.75)]),
        _mean(recall),
    )


def _mean(values: Any) -> float:
    """Pycocotools marks what it could not measure by -1."""
    known = values[values > -1]
    return float(known.mean()) if known.size else float("nan")
