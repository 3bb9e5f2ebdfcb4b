"""`litepose-edge eval`: average precision on a COCO keypoint file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from litepose_edge.cli import options
from litepose_edge.cli.console import progress_bar, results
from litepose_edge.cli.options import BackendName
from litepose_edge.estimator import Estimator
from litepose_edge.measure.coco import read_coco
from litepose_edge.measure.evaluate import Metrics
from litepose_edge.measure.predictions import (
    TALL_PX,
    evaluate_end_to_end,
    evaluate_on_given_boxes,
    operating_point,
)

# Average precision counts the doubtful people as well, each at its own score.
LEAST_SCORE, MOST_PEOPLE = 0.02, 100


def evaluate(
    data: options.Data,
    model: options.Model = "lrpose-s",
    detector: options.Detector = "default",
    precision: options.Precision = None,
    backend: options.BackendOption = BackendName.ONNXRUNTIME,
    threads: options.Threads = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the photographs, if not beside the JSON.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Average precision with ground-truth boxes and with the detector's boxes.

    Needs the extra `eval`.
    """
    dataset = read_coco(data, images)

    def make(**thresholds: Any) -> Estimator:
        return Estimator(
            model,
            detector=detector,
            backend=backend.value,
            precision=precision.value if precision else None,
            threads=threads,
            **thresholds,
        )

    everybody = make(min_score=LEAST_SCORE, max_people=MOST_PEOPLE)
    with everybody as estimator, make() as default, progress_bar() as bar:
        task = bar.add_task("evaluate", total=3 * len(dataset))

        def tick() -> None:
            bar.advance(task)

        given = evaluate_on_given_boxes(estimator, dataset, tick)
        keypoints, boxes = evaluate_end_to_end(estimator, dataset, tick)
        point = operating_point(default, dataset, tick)
    rows = {
        "keypoints, ground-truth boxes": given,
        "keypoints, detector boxes": keypoints,
        "detector boxes": boxes,
    }
    if as_json:
        document = {name: metrics.to_dict() for name, metrics in rows.items()}
        document["default threshold"] = asdict(point)
        results.file.write(json.dumps(document) + "\n")
    else:
        results.print(_table(rows))
        results.print(
            f"at the default threshold: recall {point.recall:.3f} of people taller than "
            f"{TALL_PX:.0f} px, {point.unmatched:.2f} unmatched boxes an image"
        )


def _table(rows: dict[str, Metrics]) -> Table:
    table = Table("", "AP", "AP50", "AP75", "AR", box=None)
    for name, m in rows.items():
        table.add_row(name, *(f"{value:.3f}" for value in (m.ap, m.ap50, m.ap75, m.ar)))
    return table
