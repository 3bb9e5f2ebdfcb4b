"""Times several functions in turns within one run, so that a slow minute hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Job:
    """A function that is timed in turns with others.

    Attributes:
        run: What is timed.
        prepare: Runs untimed right before each turn; `run` itself unless given, since what ran
            before has just had the caches. `no_preparation` for none.
        calls: Runs in a row in one turn; a sample is their mean.
    """

    run: Callable[[], object]
    prepare: Callable[[], object] | None = None
    calls: int = 1


@dataclass(frozen=True, slots=True)
class Elapsed:
    """What one call took, in milliseconds.

    Attributes:
        wall_ms: By the wall clock.
        cpu_ms: CPU time of all threads of the process.
    """

    wall_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """What each job took in each round, in milliseconds a call.

    Attributes:
        wall_ms: `(rounds,)` float64 by the wall clock, by name.
        cpu_ms: `(rounds,)` float64 CPU time of all threads of the process, by name.
    """

    wall_ms: dict[str, NDArray[np.float64]]
    cpu_ms: dict[str, NDArray[np.float64]]

    @property
    def rounds(self) -> int:
        """How often everything was timed."""
        return len(next(iter(self.wall_ms.values())))

    def median_ms(self, name: str) -> float:
        """The median of a job's wall times."""
        return float(np.median(self.wall_ms[name]))

    def ratio_of_medians(self, name: str, to: str) -> float:
        """A job's median wall time by another's."""
        return self.median_ms(name) / self.median_ms(to)

    def median_ratio(self, name: str, to: str) -> float:
        """The median over the rounds of a job's wall time by another's of the same round."""
        return float(np.median(self.wall_ms[name] / self.wall_ms[to]))


def time_in_turns(
    jobs: Mapping[str, Job | Callable[[], object]],
    *,
    rounds: int,
    seconds: float = 0.0,
    warm_up_rounds: int = 0,
    rotate: bool = False,
) -> TurnTimes:
    """Time all jobs once in every round.

    Args:
        jobs: What is timed, by name; a bare function is a `Job` with that job's defaults.
        rounds: At least so many are timed,
        seconds: and further ones until so much time has passed.
        warm_up_rounds: Rounds before them that leave no samples.
        rotate: Change the order from round to round (`turn_order`).

    Raises:
        ValueError: There is no job, or no round.
    """
    if not jobs or rounds < 1:
        raise ValueError(f"expected jobs and rounds, got {len(jobs)} jobs and {rounds} rounds")
    all_jobs = [job if isinstance(job, Job) else Job(job) for job in jobs.values()]
    samples: list[list[Elapsed]] = [[] for _ in all_jobs]
    for _ in range(warm_up_rounds):
        for job in all_jobs:
            time_call(job.run, prepare=job.prepare, calls=job.calls)
    number = 0
    began = time.perf_counter()
    while number < rounds or time.perf_counter() - began < seconds:
        order = range(len(all_jobs))
        for i in turn_order(order, number) if rotate else order:
            job = all_jobs[i]
            samples[i].append(time_call(job.run, prepare=job.prepare, calls=job.calls)[1])
        number += 1
    return TurnTimes(
        {n: np.array([s.wall_ms for s in taken]) for n, taken in zip(jobs, samples, strict=True)},
        {n: np.array([s.cpu_ms for s in taken]) for n, taken in zip(jobs, samples, strict=True)},
    )


def time_call(
    run: Callable[[], Result], *, prepare: Callable[[], object] | None = None, calls: int = 1
) -> tuple[Result, Elapsed]:
    """Time one turn of a job.

    Args:
        run: What is timed.
        prepare: Runs untimed before; `run` itself unless given.
        calls: Runs in a row, at least one; the times are their means.

    Returns:
        result: Of the last call.
        elapsed: The times of one call.
    """
    (prepare or run)()
    # Reading the CPU clock takes longer than reading the wall clock, and lies outside of it.
    cpu_ns = time.process_time_ns()
    wall_ns = time.perf_counter_ns()
    for _ in range(calls - 1):
        run()
    result = run()
    wall_ns = time.perf_counter_ns() - wall_ns
    cpu_ns = time.process_time_ns() - cpu_ns
    return result, Elapsed(wall_ns / 1e6 / calls, cpu_ns / 1e6 / calls)


def turn_order(items: Sequence[Item], number: int) -> list[Item]:
    """The items in the order of a round: none is always first, or always after the same one.

    They begin at another place in every round; every other time they have all begun once, they
    run backwards.
    """
    start = number % len(items)
    turned = [*items[start:], *items[:start]]
    return turned[::-1] if number // len(items) % 2 else turned


def no_preparation() -> None:
    """The `prepare` of a job that is timed as it comes."""
