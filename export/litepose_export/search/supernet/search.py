"""A search with a supernet from end to end: cost table, training, evolution, confirmation."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from torch import nn

from litepose_edge.manifest import Training
from litepose_export.errors import SearchError
from litepose_export.models.trained import TrainedAs
from litepose_export.search.confirm import confirm
from litepose_export.search.costs.measure import Measuring, cost_table
from litepose_export.search.evolution import EvolutionOptions, evolve
from litepose_export.search.finish import finish
from litepose_export.search.job import SearchDisplay, SearchJob
from litepose_export.search.judges import judge_pool
from litepose_export.search.result import SearchResult, make_result
from litepose_export.search.run_folder import COSTS, RunFolder
from litepose_export.search.space import Genes, Space
from litepose_export.search.supernet.score import (
    SCORE_NAMES,
    MakeSupernetScore,
    ScoreKind,
    SupernetScore,
)
from litepose_export.search.supernet.standalone import rank_supernet
from litepose_export.search.supernet.tasks import Task
from litepose_export.search.supernet.training import SupernetOptions, SupernetTraining

TRAINING_SHARE = 0.6  # of the minutes; the rest judges candidates
TRIAL_STEPS, TRIED = 6, 3
SUPERNET, ALONE = "supernet", "alone"


@dataclass(frozen=True, slots=True)
class SupernetSearch:
    """What a search with a supernet is asked for beside its job.

    Attributes:
        training: How the supernet is trained.
        evolution: How candidates come about.
        score: What they are scored by.
        workers: Processes that judge.
        ray: Address of a Ray cluster that judges instead, or None.
        ranked: Sub-networks that are trained alone as well, for the rank correlation; 0 for none.
        ranked_steps: Of each of these trainings; the supernet's own number unless given.
    """

    training: SupernetOptions = field(default_factory=SupernetOptions)
    evolution: EvolutionOptions = field(default_factory=EvolutionOptions)
    score: ScoreKind = "ap"
    workers: int = 1
    ray: str | None = None
    ranked: int = 0
    ranked_steps: int | None = None

    def fingerprint(self) -> dict[str, object]:
        """What decides the answer."""
        left_out = ("workers", "ray")
        return {name: value for name, value in asdict(self).items() if name not in left_out}


@dataclass(frozen=True, slots=True)
class Plan:
    """How long each part is; settled once and kept, so that it does not change on the way.

    Attributes:
        steps: Of the supernet's training.
        generations: Of the evolution.
    """

    steps: int
    generations: int


def search_supernet(
    space: Space,
    task: Task,
    job: SearchJob,
    how: Measuring,
    options: SupernetSearch,
    display: SearchDisplay,
    start: Callable[[nn.Module], None] = lambda _: None,
) -> SearchResult:
    """Find a network of a space within a budget; goes on where an earlier run of it ended.

    Args:
        space: Which networks there are.
        task: What they learn.
        job: The search.
        how: How costs are measured.
        options: Of training, evolution and judging.
        display: Where progress goes.
        start: Gives a new supernet its weights to start from.

    Raises:
        SearchError: Nothing is within the budget, or the folder holds another search.
        ExportError: The data cannot be learned from.
    """
    if options.training.distil and not options.training.sandwich:
        raise SearchError("in-place distillation learns from the largest network: add --sandwich")
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    choices = {choice.name: list(choice.options) for choice in space.choices}
    search = {"space": space.name, "choices": choices, **job.fingerprint(), **options.fingerprint()}
    folder = RunFolder(job.folder, search)
    table = cost_table(space, how, job.folder / COSTS, display.started)

    def cost(genes: Genes) -> float:
        return table.of(space, genes)

    if (least := cost(space.canonical(space.smallest))) > job.budget:
        raise SearchError(
            f"no network of the space is within the budget of {job.budget:g} {table.unit}: the "
            f"smallest costs {least:.4g}; raise --budget"
        )
    plan = _plan(space, task, job, options, folder, display)
    training = SupernetTraining(
        space=space,
        task=task,
        steps=plan.steps,
        folder=job.folder / SUPERNET,
        options=options.training,
        seed=job.seed,
        batch=job.batch,
        start=start,
    )
    checkpoint = training.run(display)
    scored = MakeSupernetScore(
        space, task, checkpoint, options.score, seed=job.seed, threads=_threads(job, options)
    )
    evolution = replace(options.evolution, generations=plan.generations)
    with judge_pool(scored, workers=options.workers, ray=options.ray) as judge:
        scores = evolve(
            space,
            cost,
            job.budget,
            judge,
            folder,
            evolution,
            seed=job.seed,
            advance=display.started("judge generations", evolution.generations),
        )
    found = confirm(space, table, scores, how, job.budget, folder, display.started)
    figures = _ranking(space, scored, job, options, plan, folder, display)
    result = make_result(
        space,
        table,
        list(scores.items()),
        found.genes,
        budget=job.budget,
        seed=job.seed,
        measured=found.measured,
        figures={"supernet steps": plan.steps, "generations": plan.generations, **figures},
        settings=search,
        score_name=SCORE_NAMES[options.score],
    )
    said = TrainedAs(
        skeleton=task.photographs.skeleton(),
        input_size=space.input_size(found.genes),
        training=Training(data=tuple(path.name for path in job.data)),
    )
    finish(folder, result, table, SupernetScore(scored).network(found.genes), said)
    return result


def _threads(job: SearchJob, options: SupernetSearch) -> int | None:
    """Of a judging process: one each where several share the machine."""
    return 1 if options.workers > 1 or options.ray is not None else job.threads


def _plan(
    space: Space,
    task: Task,
    job: SearchJob,
    options: SupernetSearch,
    folder: RunFolder,
    display: SearchDisplay,
) -> Plan:
    """Steps and generations; from minutes by a short trial, whose weights are thrown away."""
    kept = folder.get("plan")
    if kept is not None:
        return Plan(**kept)
    plan = Plan(job.steps or 0, options.evolution.generations)
    if job.minutes is not None:
        plan = _timed_plan(space, task, job, options, display)
    folder.put("plan", asdict(plan))
    return plan


def _timed_plan(
    space: Space, task: Task, job: SearchJob, options: SupernetSearch, display: SearchDisplay
) -> Plan:
    assert job.minutes is not None
    trial = SupernetTraining(
        space=space,
        task=task,
        steps=TRIAL_STEPS,
        folder=job.folder / "trial",
        options=options.training,
        seed=job.seed,
        batch=job.batch,
    )
    # A trial that was killed is done again: what it left would spare this one the loading, which
    # would then be counted.
    shutil.rmtree(trial.folder, ignore_errors=True)
    checkpoint = trial.run(SearchDisplay(display.started))  # loads photographs as well
    checkpoint.unlink()
    began = time.monotonic()
    trial.run(SearchDisplay(display.started))
    a_step = (time.monotonic() - began) / TRIAL_STEPS
    threads = torch.get_num_threads()
    score = MakeSupernetScore(
        space, task, checkpoint, options.score, seed=job.seed, threads=_threads(job, options)
    )()
    rng = np.random.default_rng(job.seed)
    score(space.random(rng))
    began = time.monotonic()
    for _ in range(TRIED):
        score(space.random(rng))
    a_score = (time.monotonic() - began) / TRIED / max(1, options.workers)
    torch.set_num_threads(threads)
    shutil.rmtree(trial.folder)
    seconds = 60 * job.minutes
    generation = a_score * options.evolution.population
    generations = int((1 - TRAINING_SHARE) * seconds / generation)
    return Plan(
        steps=max(TRIAL_STEPS, int(TRAINING_SHARE * seconds / a_step)),
        generations=min(max(1, generations), options.evolution.generations),
    )


def _ranking(
    space: Space,
    scored: MakeSupernetScore,
    job: SearchJob,
    options: SupernetSearch,
    plan: Plan,
    folder: RunFolder,
    display: SearchDisplay,
) -> dict[str, float]:
    """The supernet's rank correlation, if it was asked for."""
    if not options.ranked:
        return {}
    kept = folder.get("ranking")
    if kept is None:
        rng = np.random.default_rng((job.seed, 3))
        chosen = list(dict.fromkeys(space.random(rng) for _ in range(20 * options.ranked)))
        ranking = rank_supernet(
            replace(scored, threads=None),
            chosen[: options.ranked],
            options.ranked_steps or plan.steps,
            job.folder / ALONE,
            batch=job.batch,
            seed=job.seed,
            display=display,
        )
        kept = {
            "inherited": ranking.inherited,
            "alone": ranking.alone,
            "rank_correlation": ranking.rank_correlation,
        }
        folder.put("ranking", kept)
    name = f"supernet: rank correlation (Kendall) over {len(kept['alone'])} sub-networks"
    return {name: kept["rank_correlation"]}
