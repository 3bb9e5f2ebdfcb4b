"""COCO average precision of keypoints and boxes, by pycocotools (extra `eval`)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import BackendUnavailableError, install_hint
from litepose_edge.measure.accuracy.coco_document import CATEGORY, read_document


@dataclass(frozen=True, slots=True)
class CocoMetrics:
    """COCO's headline figures, each in `[0, 1]`.

    Attributes:
        ap: Mean over OKS (or IoU) .50:.05:.95.
        ap50: At .50.
        ap75: At .75.
        ar: Average recall over the same thresholds.
    """

    ap: float
    ap50: float
    ap75: float
    ar: float

    def to_dict(self) -> dict[str, float]:
        """Figures by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ImageMatches:
    """The results of one image beside its labels, at all thresholds of OKS or IoU.

    Attributes:
        scores: `(D,)` float64, of the results.
        matched: `(T, D)` bool, whether a result is one of the labelled people.
        ignored: `(T, D)` bool, whether a result counts neither for nor against.
        people: Labelled people that count.
    """

    scores: NDArray[np.float64]
    matched: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    people: int


def coco_metrics(
    annotations: str | PathLike[str],
    results: Sequence[dict[str, Any]],
    kind: Literal["keypoints", "bbox"],
    image_ids: Sequence[int] | None = None,
    sigmas: Sequence[float] | None = None,
) -> CocoMetrics:
    """Score COCO-format results against an annotation file.

    Args:
        annotations: COCO JSON.
        results: Entries of COCO's results format; only what `kind` names is used of each.
        kind: What is scored.
        image_ids: Images to score on; all unless given.
        sigmas: Of the keypoints, for OKS; COCO's 17 unless given.

    Raises:
        BackendUnavailableError: pycocotools is not installed.
        SourceError: The file is not in COCO's keypoint format.
    """
    return coco_metrics_and_matches(annotations, results, kind, image_ids, sigmas)[0]


def coco_metrics_and_matches(
    annotations: str | PathLike[str],
    results: Sequence[dict[str, Any]],
    kind: Literal["keypoints", "bbox"],
    image_ids: Sequence[int] | None = None,
    sigmas: Sequence[float] | None = None,
) -> tuple[CocoMetrics, list[ImageMatches]]:
    """The same, and what it was counted from: an entry an image, in ascending order of ids.

    Without results there are no entries. Arguments and errors are those of `coco_metrics`.
    """
    coco, coco_eval = require_pycocotools()
    if not results:
        return CocoMetrics(0.0, 0.0, 0.0, 0.0), []
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco()
        truth.dataset = read_document(annotations).to_coco()
        truth.createIndex()
        found = truth.loadRes(entries_of(results, kind))
        evaluation = coco_eval(truth, found, kind)
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        if image_ids is not None:
            evaluation.params.imgIds = list(image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats = evaluation.stats
    recall = stats[5] if kind == "keypoints" else stats[8]
    metrics = CocoMetrics(*(max(float(v), 0.0) for v in (stats[0], stats[1], stats[2], recall)))
    # People of all sizes come first.
    count = len(evaluation.params.imgIds)
    thresholds = len(evaluation.params.iouThrs)
    return metrics, [_matches(image, thresholds) for image in evaluation.evalImgs[:count]]


def _matches(image: dict[str, Any] | None, thresholds: int) -> ImageMatches:
    if image is None:  # neither people nor results
        nothing = np.zeros((thresholds, 0), np.bool_)
        return ImageMatches(np.zeros(0), nothing, nothing, 0)
    matched = np.asarray(image["dtMatches"]) > 0
    ignored = np.asarray(image["dtIgnore"]).astype(np.bool_)
    people = int((np.asarray(image["gtIgnore"]) == 0).sum())
    return ImageMatches(np.asarray(image["dtScores"], np.float64), matched, ignored, people)


def entries_of(
    results: Sequence[dict[str, Any]], kind: Literal["keypoints", "bbox"]
) -> list[dict[str, Any]]:
    """The results with nothing but what is scored, as ones of the file's one category.

    With a box in a keypoint entry, pycocotools takes the box's area for the person's.
    """
    return [
        {"category_id": CATEGORY} | {key: entry[key] for key in ("image_id", kind, "score")}
        for entry in results
    ]


def require_pycocotools() -> tuple[Any, Any]:
    """Pycocotools' `COCO` and `COCOeval`.

    Raises:
        BackendUnavailableError: It is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as exc:
        raise BackendUnavailableError(
            f"pycocotools is not installed. {install_hint('eval')}"
        ) from exc
    return COCO, COCOeval
