"""EfficientPose's search as a whole: from its cost table to the found network's files."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import cv2
import torch

from litepose_edge.atomic_files import write_file
from litepose_edge.geometry import Size
from litepose_edge.manifest import Training
from litepose_export.errors import CheckpointError, SearchError
from litepose_export.models.checkpoints import read_checkpoint, read_state
from litepose_export.models.trained import TrainedAs
from litepose_export.search.costs.measure import Measuring, cost_table
from litepose_export.search.efficientpose.cost import Costs, costs_of
from litepose_export.search.efficientpose.loop import DifferentiableSearch, SegmentReport
from litepose_export.search.efficientpose.remap import remap
from litepose_export.search.efficientpose.score import MakeInheritedScore
from litepose_export.search.efficientpose.settings import WEIGHT_SCHEDULE, SearchSettings
from litepose_export.search.efficientpose.settle import settle
from litepose_export.search.efficientpose.space import PORTRAIT, EfficientPoseSpace, Layout
from litepose_export.search.efficientpose.supernet import make_supernet
from litepose_export.search.efficientpose.task import LOSS, CropHalves
from litepose_export.search.finish import finish
from litepose_export.search.job import SearchDisplay, SearchJob
from litepose_export.search.judges import judge_pool
from litepose_export.search.result import SearchResult, make_result
from litepose_export.search.run_folder import COSTS, RunFolder
from litepose_export.search.space import Genes
from litepose_export.training.core.checkpoint_file import write_checkpoint
from litepose_export.training.core.losses import activation

STATE_FILE, LOG_FILE = "search.pt", "log.csv"
# Networks of these parts of the budget are judged too, for the front.
FRONT = (0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3)
TIMED_STEPS = 6  # of each kind, the first third is not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class EfficientPoseOptions:
    """How EfficientPose's space is searched.

    Attributes:
        layout: Widths and depths of the stages: `"a"`, `"b"`, which is also C's, or one's own.
        input_size: Of the networks.
        warmup: Part of the steps before the first architecture step.
        spend: Whether the network has to use the budget up, within 5 %.
        segment: Steps between saved states.
        workers: Local processes that judge candidates.
        ray: Address of a Ray cluster that judges instead.
    """

    layout: str | Layout = "a"
    input_size: Size = PORTRAIT
    warmup: float = 0.4
    spend: bool = True
    segment: int = 50
    workers: int = 1
    ray: str | None = None

    def fingerprint(self) -> dict[str, Any]:
        """What decides the answer."""
        return {
            "search": "efficientpose",
            "layout": self.layout if isinstance(self.layout, str) else asdict(self.layout),
            "input_size": asdict(self.input_size),
            "warmup": self.warmup,
            "spend": self.spend,
            "segment": self.segment,
        }


def search_efficientpose(
    job: SearchJob,
    how: Measuring,
    display: SearchDisplay,
    options: EfficientPoseOptions = EfficientPoseOptions(),
) -> SearchResult:
    """Search EfficientPose's space for a budget; all that was found is in the job's folder.

    A search that was stopped goes on from its last segment and ends with the same answer.

    Args:
        job: What is asked for. `init` is a checkpoint of EfficientPose or LitePose, whose weights
            are remapped (FNA).
        how: How costs are measured.
        display: Progress.
        options: How it is searched.

    Raises:
        SearchError: The budget is below the cheapest network's cost, or the folder holds another
            search.
        ExportError: The data cannot be learned from, or `init` is of another family.
    """
    folder = RunFolder(job.folder, {**job.fingerprint(), **options.fingerprint()})
    cv2.setNumThreads(1)  # the samplers have threads of their own
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    batch = job.batch or WEIGHT_SCHEDULE.batch
    task = CropHalves(job.data, job.dev, job.images, options.input_size, batch, job.seed)
    space = EfficientPoseSpace(options.layout, len(task.skeleton()), options.input_size)
    table = cost_table(space, how, job.folder / COSTS, display.started)
    costs = costs_of(space, table)
    costs.check_budget(job.budget)
    search = _prepare(job, options, folder, space, task, costs)
    log = _run(search, job, display)
    found = settle(search, space, table, how, folder, display.started)

    genes = {search.choice(part * job.budget) for part in FRONT if part * job.budget >= costs.least}
    make = MakeInheritedScore(space, task, job.folder / STATE_FILE, job.threads)
    scores = _judge(sorted(genes | {found.genes}), make, options, folder, display)
    result = make_result(
        space,
        table,
        list(scores.items()),
        found.genes,
        budget=job.budget,
        seed=job.seed,
        measured=found.measured,
        figures=_figures(search, log[-1], found.tried),
        settings={**job.fingerprint(), **options.fingerprint(), **asdict(search.settings)},
    )
    said = TrainedAs(
        skeleton=task.skeleton(),
        input_size=options.input_size,
        activation=activation(LOSS),
        training=Training(data=tuple(path.name for path in job.data)),
    )
    finish(folder, result, table, make.inherit()(found.genes), said)
    return result


def _prepare(
    job: SearchJob,
    options: EfficientPoseOptions,
    folder: RunFolder,
    space: EfficientPoseSpace,
    task: CropHalves,
    costs: Costs,
) -> DifferentiableSearch:
    """A new search, or that of the folder's last saved state."""

    def begin(steps: int) -> DifferentiableSearch:
        torch.manual_seed(job.seed)
        supernet = make_supernet(space)
        if job.init is not None:
            remap(supernet, space, read_state(job.init))
        supernet = supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        schedule = replace(
            WEIGHT_SCHEDULE,
            batch=task.batch,
            warmup_steps=max(1, min(WEIGHT_SCHEDULE.warmup_steps, steps // 5)),
        )
        return DifferentiableSearch(
            supernet,
            costs,
            job.budget,
            loss=task.loss(),
            batches=task.batches,
            settings=SearchSettings(
                steps=steps,
                warmup=options.warmup,
                spend=options.spend,
                segment=options.segment,
                weights=schedule,
            ),
            seed=job.seed,
        )

    steps = job.steps or folder.get("steps")
    if steps is None:
        assert job.minutes is not None
        steps = _steps_in(job.minutes, begin)
        folder.put("steps", steps)  # from here on the search repeats exactly
    search = begin(steps)
    path = job.folder / STATE_FILE
    if path.exists():
        state = read_checkpoint(path)
        try:
            search.restore(state)
        except CheckpointError as exc:
            raise SearchError(f"{path}: {exc}; name another folder with --out") from exc
    return search


def _steps_in(minutes: float, begin: Callable[[int], DifferentiableSearch]) -> int:
    """How many steps a time allows, by timing a few of each kind."""
    seconds = []
    for warmup in (0.99, 0.0):
        trial = begin(TIMED_STEPS)
        settings = replace(trial.settings, warmup=warmup, segment=TIMED_STEPS)
        trial.settings = settings
        marks: list[float] = []
        trial.run_segment(lambda marks=marks: marks.append(time.monotonic()))  # type: ignore[misc]
        first = TIMED_STEPS // 3
        seconds.append((marks[-1] - marks[first - 1]) / (TIMED_STEPS - first))
    warm, mixed = seconds  # the latter: weights and architecture in turns
    share = begin(TIMED_STEPS).settings.warmup
    return max(2, round(minutes * 60 / (share * warm + (1 - share) * mixed)))


def _run(
    search: DifferentiableSearch, job: SearchJob, display: SearchDisplay
) -> list[dict[str, Any]]:
    """Run to the end, a state on the disk after every segment; returns the rows of the log."""
    path = job.folder / STATE_FILE
    log: list[dict[str, Any]] = list(read_checkpoint(path)["log"]) if path.exists() else []
    advance = display.started("search", search.settings.steps)
    for _ in range(search.step):
        advance()
    while not search.done:
        report = search.run_segment(advance)
        log.append(asdict(report))
        # State and log in one file: they cannot be of different segments.
        write_checkpoint({**search.state(), "log": log}, path)
        write_file(job.folder / LOG_FILE, _table(log))
        display.noted(_note(report))
    return log


def _note(report: SegmentReport) -> str:
    loss = report.weights_loss if report.weights_loss is not None else report.architecture_loss
    return (
        f"loss {loss:.5f}  cost {report.expected_cost:.4g} expected, "
        f"{report.argmax_cost:.4g} most probable  confidence {report.confidence:.2f}"
    )


def _table(log: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(SegmentReport)])
    writer.writeheader()
    writer.writerows(log)
    return text.getvalue().encode()


def _judge(
    candidates: list[Genes],
    make: MakeInheritedScore,
    options: EfficientPoseOptions,
    folder: RunFolder,
    display: SearchDisplay,
) -> dict[Genes, float]:
    """Scores of candidates, each kept as it is known, in the order given."""
    known = {tuple(genes): score for genes, score in folder.get("scores") or []}
    left = [genes for genes in candidates if genes not in known]
    if left:
        advance = display.started("judge candidates", len(left))

        def keep(genes: Genes, score: float) -> None:
            known[genes] = score
            folder.put("scores", [[list(each), value] for each, value in known.items()])
            advance()

        alone = options.workers == 1 and options.ray is None
        sent = make if alone else make.for_process()
        with judge_pool(sent, workers=options.workers, ray=options.ray) as judge:
            judge(left, keep)
    return {genes: known[genes] for genes in candidates}


def _figures(search: DifferentiableSearch, last: dict[str, Any], tried: int) -> dict[str, float]:
    return {
        "steps": float(search.step),
        "expected cost": last["expected_cost"],
        "cost of the likeliest operators": last["argmax_cost"],
        "mean probability of the likeliest operators": last["confidence"],
        "weight of the cost term": last["cost_weight"],
        "whole networks measured": float(tried),
    }
