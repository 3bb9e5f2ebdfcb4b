"""`litepose-edge eval`: average precision on a COCO keypoint file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from litepose_edge import backends
from litepose_edge.cli import options
from litepose_edge.cli.console import progress_bar, results
from litepose_edge.cli.options import BackendName
from litepose_edge.estimator import Estimator
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.measure.accuracy.coco_metrics import CocoMetrics
from litepose_edge.measure.accuracy.crowdpose import CrowdMetrics
from litepose_edge.measure.accuracy.pckh import PckhMetrics
from litepose_edge.measure.accuracy.predictions import (
    TALL_PX,
    OperatingPoint,
    evaluate_end_to_end,
    evaluate_on_given_boxes,
    operating_point,
)
from litepose_edge.measure.accuracy.signed_errors import CROP, SignedErrors

if TYPE_CHECKING:
    from rich.table import Table

# Average precision needs people of low confidence as well: it ranks all by their scores.
LEAST_SCORE, MOST_PEOPLE = 0.02, 100


class MetricName(str, Enum):
    """The metric of the keypoints."""

    COCO = "coco"
    CROWDPOSE = "crowdpose"
    PCKH = "pckh"


EXAMPLES = ("litepose-edge eval --data person_keypoints_val2017.json",)


def evaluate(
    data: options.Data,
    model: options.Model = "lrpose-s",
    detector: Annotated[
        str,
        typer.Option(help="'default', a detector's path, or 'none' for ground-truth boxes alone."),
    ] = "default",
    detector_size: options.DetectorSize = None,
    precision: options.Precision = None,
    backend: options.BackendOption = BackendName.ONNXRUNTIME,
    threads: options.Threads = None,
    images: options.Images = None,
    metric: Annotated[
        MetricName, typer.Option(help="Of the keypoints: crowdpose needs 14, pckh 16 and head_box.")
    ] = MetricName.COCO,
    flip_test: options.FlipTest = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure average precision on a COCO keypoint file.

    Keypoints are scored in ground-truth boxes and in the detector's, which are scored as well.
    In ground-truth boxes, the mean signed error of each keypoint is measured too, and how far
    keypoint scores are from the part of keypoints that is right.
    Bottom-up and one-stage networks find all people themselves, without boxes. Needs the extra
    `eval`.
    """
    if detector == "none" and detector_size is not None:
        raise typer.BadParameter("--detector-size is of a detector, and there is none")
    dataset = read_coco(data, images)
    given_alone = metric is MetricName.PCKH or detector == "none"

    def make(**thresholds: Any) -> Estimator:
        return Estimator(
            model,
            detector=None if detector == "none" else detector,
            detector_size=detector_size,
            backend=backend.value,
            precision=precision.value if precision else None,
            threads=threads,
            flip_test=flip_test,
            **thresholds,
        )

    all_people = make(min_score=LEAST_SCORE, max_people=MOST_PEOPLE)
    rows: dict[str, CocoMetrics | CrowdMetrics | PckhMetrics] = {}
    errors: SignedErrors | None = None
    score_error: float | None = None
    point: OperatingPoint | None = None
    finds_people = _finds_people(model, precision, backend)
    if finds_people and given_alone:
        what = "pckh" if metric is MetricName.PCKH else "--detector none"
        raise typer.BadParameter(f"{what} needs given boxes, and {model} finds people itself")
    passes = 1 if given_alone else 3 - finds_people
    with all_people as estimator, make() as default, progress_bar() as bar:
        task = bar.add_task("evaluate", total=passes * len(dataset))

        def progress() -> None:
            bar.advance(task)

        if not finds_people:
            given = evaluate_on_given_boxes(estimator, dataset, progress, metric.value)
            rows["keypoints, ground-truth boxes"] = given.metrics
            errors, score_error = given.errors, given.scores.error
        if not given_alone:  # as PCKh always is
            keypoints, boxes = evaluate_end_to_end(
                estimator, dataset, progress, "coco" if metric is MetricName.COCO else "crowdpose"
            )
            whose = "no boxes" if finds_people else "detector boxes"
            rows |= {f"keypoints, {whose}": keypoints}
            rows |= {"boxes of keypoints" if finds_people else "detector boxes": boxes}
            point = operating_point(default, dataset, progress)
    measured = _Measured(rows, errors, score_error, point, dataset.keypoint_names)
    if as_json:
        results.file.write(json.dumps(measured.document()) + "\n")
    else:
        measured.show()


@dataclass(frozen=True, slots=True)
class _Measured:
    """What was measured."""

    rows: Mapping[str, CocoMetrics | CrowdMetrics | PckhMetrics]
    errors: SignedErrors | None
    score_error: float | None
    point: OperatingPoint | None
    keypoint_names: Sequence[str]

    def document(self) -> dict[str, Any]:
        """For JSON."""
        document: dict[str, Any] = {
            name: _known(metrics.to_dict()) for name, metrics in self.rows.items()
        }
        if self.errors is not None:
            errors = self.errors.to_dict(self.keypoint_names)
            document["signed errors, ground-truth boxes"] = _known(errors)
        if self.score_error is not None:
            document["calibration error of scores, ground-truth boxes"] = self.score_error
        if self.point is not None:
            document["default threshold"] = asdict(self.point)
        return document

    def show(self) -> None:
        """Print tables."""
        for name, metrics in self.rows.items():
            results.print(_table(name, metrics))
        if self.errors is not None:
            results.print(_error_table(self.errors, self.keypoint_names))
        if self.score_error is not None:
            results.print(
                f"expected calibration error of keypoint scores: {self.score_error:.3f} "
                "(0: of keypoints that score .6, 60 % are right)"
            )
        if self.point is not None:
            results.print(
                f"at the default threshold: recall {self.point.recall:.3f} of people taller than "
                f"{TALL_PX:.0f} px, {self.point.false_positives_per_image:.2f} false positives "
                "per image"
            )


def _finds_people(
    model: str, precision: options.PrecisionName | None, backend: BackendName
) -> bool:
    """Whether the model needs no boxes: a bottom-up or a one-stage one."""
    found = backends.find_model(
        model, precision=precision.value if precision else None, backend=backend.value, threads=1
    )
    return found.manifest.finds_people


def _known(figures: dict[str, Any]) -> dict[str, Any]:
    """JSON has no nan: what could not be measured is null."""
    return {
        key: _known(value) if isinstance(value, dict) else None if math.isnan(value) else value
        for key, value in figures.items()
    }


def _table(name: str, metrics: CocoMetrics | CrowdMetrics | PckhMetrics) -> Table:
    from rich.table import Table

    figures = metrics.to_dict()
    if isinstance(metrics, PckhMetrics):
        figures = {"mean PCKh@0.5": metrics.mean, **metrics.by_keypoint}
        table = Table(name, "", box=None)
        for keypoint, value in figures.items():
            table.add_row(keypoint, f"{value:.3f}")
        return table
    table = Table(f"{name:<30}", *(key.upper() for key in figures), box=None)
    table.add_row("", *(f"{value:.3f}" for value in figures.values()))
    return table


def _error_table(errors: SignedErrors, names: Sequence[str]) -> Table:
    from rich.table import Table

    title = f"{f'mean error, px of a {CROP.height}-px crop':<30}"
    table = Table(title, "right", "±", "down", "±", "found", box=None)
    rows = [("all", errors.mean, errors.standard_error, int(errors.counts.sum()))]
    rows += zip(
        names, errors.by_keypoint, errors.standard_error_by_keypoint, errors.counts, strict=True
    )
    for name, (right, down), (right_error, down_error), count in rows:
        figures = (f"{right:+.2f}", f"{right_error:.2f}", f"{down:+.2f}", f"{down_error:.2f}")
        table.add_row(name, *figures, str(count))
    return table
