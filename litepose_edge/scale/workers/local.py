"""Units by worker processes of this machine, one thread each."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator

from litepose_edge.scale.units import Unit
from litepose_edge.scale.work import Done, UnitResult
from litepose_edge.scale.workers.process import Opener, WorkerProcess

JOIN_S = 10.0


def run_here(units: Iterator[Unit], job: Opener, done: Done) -> Generator[UnitResult, None, None]:
    """Units one after the other in this process: for debugging; nothing survives a native crash."""
    labeller = job.open()
    try:
        for unit in units:
            yield labeller.run(unit, {}, lambda position: None, done)
    finally:
        labeller.close()


def run_locally(
    units: Iterator[Unit], job: Opener, workers: int, done: Done
) -> Generator[UnitResult, None, None]:
    """Units by so many processes, results as they come.

    A worker takes its next unit when it has handed over the last, so that a slow consumer holds
    all back and at most two results a worker are in memory.

    Args:
        units: Read by several threads, one at a time.
        job: What to do.
        workers: How many processes.
        done: Told the people after each frame; called by one thread at a time.

    Raises:
        LitePoseError: What no input is to blame for.
    """
    pool = _Pool(units, job, workers, done)
    try:
        yield from pool.results()
    finally:
        pool.close()


class _Pool:
    """Threads that wait for a worker process each."""

    def __init__(self, units: Iterator[Unit], job: Opener, workers: int, done: Done) -> None:
        self._units, self._done = units, done
        self._results: queue.Queue[UnitResult | BaseException | None] = queue.Queue(workers)
        self._next, self._tell = threading.Lock(), threading.Lock()
        self._stop = threading.Event()
        self._processes = [WorkerProcess(job, tied=True) for _ in range(workers)]
        self._threads = [
            threading.Thread(target=self._work, args=(one,), name="litepose-label", daemon=True)
            for one in self._processes
        ]
        for thread in self._threads:
            thread.start()

    def results(self) -> Iterator[UnitResult]:
        """Until there is no unit any more."""
        working = len(self._threads)
        while working:
            result = self._results.get()
            if isinstance(result, BaseException):
                raise result
            if result is None:
                working -= 1
            else:
                yield result

    def close(self) -> None:
        """End all processes."""
        self._stop.set()
        for process in self._processes:
            process.close()
        for thread in self._threads:
            thread.join(JOIN_S)

    def _work(self, process: WorkerProcess) -> None:
        try:
            while (unit := self._unit()) is not None:
                self._put(process.run(unit, self._one_done))
            self._put(None)
        except BaseException as exc:  # noqa: BLE001 - raised by the consumer
            self._put(exc)
        finally:
            process.close()

    def _unit(self) -> Unit | None:
        with self._next:
            return None if self._stop.is_set() else next(self._units, None)

    def _one_done(self, people: int) -> None:
        with self._tell:
            self._done(people)

    def _put(self, result: UnitResult | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._results.put(result, timeout=0.1)
            except queue.Full:
                continue
            return
