"""Judges candidates in parallel: in this process, in local ones, or over machines with Ray."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from litepose_edge.scale.workers.cluster import cluster, cpus_of
from litepose_export.errors import SearchError
from litepose_export.search.evolution import Judge
from litepose_export.search.space import Genes

# Made once in each process; what makes it must be picklable, as functions of modules are.
MakeScore = Callable[[], Callable[[Genes], float]]
OnScore = Callable[[Genes, float], None]
_of_this_process: list[Callable[[Genes], float]] = []


@contextlib.contextmanager
def judge_pool(make: MakeScore, *, workers: int = 1, ray: str | None = None) -> Iterator[Judge]:
    """A judge of lists of candidates; its processes end with the block.

    Args:
        make: Makes what scores one candidate.
        workers: Local processes; 1 judges in this one. With Ray, how many at once, at most one
            for each CPU of the cluster.
        ray: Address of a Ray cluster, or `"auto"`: the one that runs here, else one that is
            started meanwhile. Its machines need the same files.

    Raises:
        BackendUnavailableError: Ray is not installed.
        SearchError: A process died.
        SourceError: No cluster answers.
    """
    if ray is not None:
        with _ray_pool(make, workers, ray) as judge:
            yield judge
    elif workers == 1:
        score = make()

        def here(candidates: Sequence[Genes], on_score: OnScore) -> None:
            for genes in candidates:
                on_score(genes, score(genes))

        yield here
    else:
        with _process_pool(make, workers) as judge:
            yield judge


@contextlib.contextmanager
def _process_pool(make: MakeScore, workers: int) -> Iterator[Judge]:
    context = multiprocessing.get_context("spawn")  # threads of PyTorch do not survive a fork
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(make,)) as pool:

        def judge(candidates: Sequence[Genes], on_score: OnScore) -> None:
            waiting = {pool.submit(_score_one, genes): genes for genes in candidates}
            try:
                for future in as_completed(waiting):
                    on_score(waiting[future], future.result())
            except BrokenProcessPool as exc:
                raise SearchError(
                    f"a judging process died: {exc}; run the command again, it goes on, with fewer "
                    "--workers if memory was short"
                ) from exc
            finally:
                for future in waiting:
                    future.cancel()

        yield judge


def _begin(make: MakeScore) -> None:
    _of_this_process[:] = [make()]


def _score_one(genes: Genes) -> float:
    return _of_this_process[0](genes)


@contextlib.contextmanager
def _ray_pool(make: MakeScore, workers: int, address: str) -> Iterator[Judge]:
    class Scorer:
        """An actor."""

        def __init__(self) -> None:
            self._score = make()

        def score(self, genes: Genes) -> float:
            """Of one candidate."""
            return self._score(genes)

    with cluster(address) as ray:
        actor = ray.remote(num_cpus=1)(Scorer)
        # One that waits for a CPU would keep its candidate for ever.
        actors = [actor.remote() for _ in range(min(workers, cpus_of(ray)))]
        yield lambda candidates, on_score: _over_actors(ray, actors, candidates, on_score)


def _over_actors(
    ray: Any, actors: list[Any], candidates: Sequence[Genes], on_score: OnScore
) -> None:
    """Each actor has one candidate at a time; one whose machine is lost leaves it to the others.

    Args:
        ray: The module.
        actors: All of them; lost ones are taken out.
        candidates: To be judged.
        on_score: Told of each.
    """
    left, idle = list(candidates)[::-1], list(actors)
    running: dict[Any, tuple[Any, Genes]] = {}
    while left or running:
        while left and idle:
            actor, genes = idle.pop(), left.pop()
            running[actor.score.remote(genes)] = (actor, genes)
        if not running:
            raise SearchError(
                "all judges on the Ray cluster were lost: run the command again, it goes on"
            )
        done, _ = ray.wait(list(running), num_returns=1)
        for reference in done:
            actor, genes = running.pop(reference)
            try:
                on_score(genes, ray.get(reference))
            except ray.exceptions.RayActorError:
                actors.remove(actor)
                left.append(genes)
                continue
            except ray.exceptions.RayError as exc:
                raise SearchError(
                    f"a judge on the Ray cluster failed: {str(exc).strip().splitlines()[-1]}; do "
                    "all machines have the data and the search's folder at the same paths?"
                ) from exc
            idle.append(actor)
