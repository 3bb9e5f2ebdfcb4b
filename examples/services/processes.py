"""Treats pictures in several processes: python processes.py a.jpg b.jpg ...

Threads in one process are usually as fast (`predict_batch`); processes are for programs whose own
work on the results is slow Python. Each process opens an Estimator of one thread for itself.
"""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

from litepose_edge import Estimator, LitePoseError
from litepose_edge.threads import available_threads

_estimator: Estimator | None = None


def start() -> None:
    """Runs once in each process: an Estimator survives neither a fork nor pickling."""
    global _estimator
    _estimator = Estimator(threads=1)


def people(path: str) -> str:
    assert _estimator is not None
    try:
        poses = _estimator.predict(path)  # what comes back must be picklable; poses are
    except LitePoseError as exc:
        return str(exc)
    return f"{path}: {len(poses)} people, scores {poses.person_scores.round(2).tolist()}"


def main(paths: list[str]) -> None:
    context = multiprocessing.get_context("spawn")
    workers = min(available_threads(), len(paths))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=start) as pool:
        for line in pool.map(people, paths):
            print(line)


if __name__ == "__main__":
    main(sys.argv[1:] or sys.exit(__doc__))
