"""One worker process, and what happens when an input ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from typing import Any, NoReturn, Protocol

from litepose_edge.errors import LitePoseError, WorkerError
from litepose_edge.scale.units import Failure, Unit
from litepose_edge.scale.work import Done, UnitResult
from litepose_edge.scale.workers.child import TIED
from litepose_edge.scale.workers.wire import Kind, receive, send

# An input that ended two processes, the second time with nothing before it, is not tried again.
DEATHS = 2
# Deaths before the first input, which no input can be blamed for.
DEATHS_AT_START = 3
END_S = 5.0
# One thread each: NumPy's and others' own threads would get into each other's way.
CHILD = "litepose_edge.scale.workers.child"
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Opener(Protocol):
    """What a worker is told to do (`work.Job`); pickled."""

    def open(self) -> Any:
        """An object with `run` as `work.Labeller` has it, made in the worker."""


class WorkerProcess:
    """Runs units in a process of its own, which is replaced when it dies.

    Not to be shared between threads, but for `close`.

    Args:
        job: What to do.
        tied: Whether the thread that calls `run` lasts as long as this is used: on Linux the
            kernel then ends the process with it. The end of this process ends it in any case.
    """

    def __init__(self, job: Opener, *, tied: bool = False) -> None:
        self._job, self._tied = job, tied
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def run(self, unit: Unit, done: Done) -> UnitResult:
        """Label a unit, whatever its inputs do.

        An input during which the process dies is tried once more alone, in a new process. If
        that one dies too, it is a failure and the unit is done without it; else the unit is done
        again, until the same input was there at two deaths.

        Args:
            unit: What.
            done: Told the people after each frame, again for those that are done again.

        Raises:
            WorkerError: Processes die before they get to an input, or this was closed.
            LitePoseError: What no input is to blame for, as the worker raised it.
        """
        skip: dict[int, Failure] = {}
        deaths: Counter[int] = Counter()
        at_start = 0
        while True:
            try:
                return self._attempt(unit, skip, done)
            except _DiedError as exc:
                if exc.position is None:
                    at_start += 1
                    if at_start >= DEATHS_AT_START:
                        raise WorkerError(
                            f"worker processes {exc.how} before their first image, "
                            f"{at_start} times in a row: is there memory for so many?"
                        ) from exc
                    continue
                position, how = exc.position, exc.how
            deaths[position] += 1
            alone = replace(unit, sources=(unit.sources[position],))
            try:
                self._attempt(alone, {}, lambda _: None)
            except _DiedError as exc:
                deaths[position], how = DEATHS, exc.how
            if deaths[position] >= DEATHS:
                source = unit.sources[position]
                reason = f"its worker process {how}, twice"
                skip[position] = Failure(source, "killed", reason)

    def close(self) -> None:
        """End the process; closing twice is fine, and from another thread."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _attempt(self, unit: Unit, skip: dict[int, Failure], done: Done) -> UnitResult:
        """Label a unit, or say at which input the process died."""
        position: int | None = None
        process = self._process
        try:
            if process is None:
                process = self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            send(process.stdin, unit, skip)
            while True:
                kind, *rest = receive(process.stdout)
                match kind:
                    case Kind.BEGIN:
                        position = rest[0]
                    case Kind.DONE:
                        done(rest[0])
                    case Kind.RESULT:
                        result: UnitResult = rest[0]
                        return result
                    case _:
                        self._raise(rest[0])
        except LitePoseError:  # some of which are an OSError too
            raise
        except (EOFError, OSError) as exc:
            with self._lock:
                closed, dead, self._process = self._closed, self._process, None
            if closed:
                raise WorkerError("the worker processes were ended") from exc
            raise _DiedError(position, _how(dead)) from exc

    def _raise(self, error: Exception) -> NoReturn:
        """What the worker raised, whose process has ended."""
        self.close()
        if isinstance(error, LitePoseError):
            raise error
        raise WorkerError(f"a worker process failed: {error!r}") from error

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
        with self._lock:
            if self._closed:
                raise EOFError
            process = subprocess.Popen(
                [sys.executable, "-m", CHILD, str(os.getpid()), *([TIED] if self._tied else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        send(process.stdin, sys.path)
        send(process.stdin, self._job)
        kind, *rest = receive(process.stdout)
        if kind != Kind.READY:
            self._raise(rest[0])
        return process


class _DiedError(Exception):
    """The process has died at an input, or before the first."""

    def __init__(self, position: int | None, how: str) -> None:
        super().__init__(how)
        self.position, self.how = position, how


def _how(process: subprocess.Popen[bytes] | None) -> str:
    """How a process ended, as the end of a sentence about it."""
    if process is None:
        return "could not be started"
    try:
        code = process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "closed its pipes"
    finally:
        _close_pipes(process)
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """At once: nothing of a unit that is not done is of use."""
    process.kill()
    process.wait()
    _close_pipes(process)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.close()
