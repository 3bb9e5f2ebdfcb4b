"""Workers of one class: started, watched, replaced when they die or hang."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.fuzz.judge import ROOT, Verdict

# Loading the packages and the first sound input.
START_LIMIT_S = 120.0
# What one process measures must not depend on how many CPUs there are.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}


@dataclass(slots=True)
class Worker:
    """A process, the input it is at, and since when.

    Attributes:
        index: The input it is at; -1: the one it starts with; None: none.
        done: The last one it has finished.
        waited_s: How long it had waited for a processor by then.
        last_words: The end of what it wrote to standard error, once it was stopped.
    """

    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    number: int
    index: int | None = None
    done: int = -1
    since: float = field(default_factory=time.monotonic)
    waited_s: float = 0.0
    unread: bytes = b""
    last_words: str = ""

    @property
    def busy_s(self) -> float:
        """How long it has been at its input, without the time that others had the processor."""
        return time.monotonic() - self.since - (waited_s(self.process.pid) - self.waited_s)

    def stop(self) -> int:
        """End it, if it has not; its exit code."""
        assert self.process.stdout is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        code = self.process.wait()
        self.process.stdout.close()
        if not self.errors.closed:
            self.errors.seek(0, os.SEEK_END)
            self.errors.seek(max(self.errors.tell() - 2000, 0))
            self.last_words = self.errors.read().decode(errors="replace")
            self.errors.close()
        return code


def waited_s(pid: int) -> float:
    """How long a process has waited for a processor; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


class Pool:
    """Runs inputs of a class in so many processes.

    Args:
        name: The class.
        seed: Of the mutations.
        workers: Processes at once.
        time_limit_s: An input that takes longer is a hang; waiting for a processor does not count.
        replay: Run this file alone, once.
    """

    def __init__(
        self, name: str, seed: int, workers: int, time_limit_s: float, replay: Path | None = None
    ) -> None:
        self._name, self._seed, self._count = name, seed, 1 if replay else workers
        self._time_limit_s, self._replay = time_limit_s, replay
        self._selector = selectors.DefaultSelector()

    def verdicts(self, until: float, inputs: int) -> Iterator[tuple[int, Verdict]]:
        """Number and verdict of each input, as they come.

        Args:
            until: When to stop, by `time.monotonic`.
            inputs: Stop after so many.
        """
        for number in range(self._count):
            self._start(number, number)
        given = 0
        try:
            while self._selector.get_map() and given < inputs and time.monotonic() < until:
                for found in self._next():
                    yield found
                    given += 1
                    if given >= inputs:
                        break
        finally:
            for key in list(self._selector.get_map().values()):
                self._stop(key.data)
            self._selector.close()

    def _start(self, number: int, first: int) -> None:
        command = [sys.executable, "-m", "tests.fuzz.worker", self._name]
        command += [str(self._seed), str(first), str(self._count)]
        if self._replay is not None:
            command.append(str(self._replay.resolve()))
        given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        paths = os.pathsep.join([str(ROOT), str(ROOT / "export"), *filter(None, given)])
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with its worker
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": paths},
        )
        assert process.stdout is not None
        worker = Worker(process, errors, number)
        self._selector.register(process.stdout, selectors.EVENT_READ, worker)

    def _next(self) -> list[tuple[int, Verdict]]:
        found: list[tuple[int, Verdict]] = []
        for key, _ in self._selector.select(0.5):
            found += self._read(key.data)
        for key in list(self._selector.get_map().values()):
            found += self._check_time(key.data)
        return found

    def _read(self, worker: Worker) -> list[tuple[int, Verdict]]:
        assert worker.process.stdout is not None
        chunk = os.read(worker.process.stdout.fileno(), 1 << 16)
        if not chunk:
            return self._ended(worker)
        *lines, worker.unread = (worker.unread + chunk).split(b"\n")
        found: list[tuple[int, Verdict]] = []
        for line in lines:
            message: dict[str, Any] = json.loads(line)
            worker.since, worker.waited_s = time.monotonic(), waited_s(worker.process.pid)
            if "begin" in message:
                worker.index = message["begin"]
                continue
            worker.index = None
            verdict = Verdict(message["outcome"], message["text"])
            worker.done = message["end"]
            found.append((worker.done, verdict))
        return found

    def _ended(self, worker: Worker) -> list[tuple[int, Verdict]]:
        """A worker that died at an input, or stopped by itself after one that needed memory."""
        code = self._stop(worker)
        index = worker.index
        if index is None:
            if code != 0 or worker.done < 0:
                raise RuntimeError(f"a worker of {self._name} cannot run:\n{worker.last_words}")
            if self._replay is None:
                self._start(worker.number, worker.done + self._count)
            return []
        if index < 0:
            raise RuntimeError(f"the first sound input of {self._name}:\n{worker.last_words}")
        what = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return self._replaced(worker, index, Verdict("crash", f"{worker.last_words}\n{what}"))

    def _check_time(self, worker: Worker) -> list[tuple[int, Verdict]]:
        waiting = worker.index is None or worker.index < 0
        limit_s = START_LIMIT_S if waiting else self._time_limit_s
        if worker.busy_s <= limit_s:
            return []
        self._stop(worker)
        if worker.index is None or worker.index < 0:
            raise RuntimeError(f"a worker of {self._name} did not start in {START_LIMIT_S:.0f} s")
        return self._replaced(worker, worker.index, Verdict("hang", f"over {limit_s:.0f} s"))

    def _replaced(self, worker: Worker, index: int, verdict: Verdict) -> list[tuple[int, Verdict]]:
        if self._replay is None:
            self._start(worker.number, index + self._count)
        return [(index, verdict)]

    def _stop(self, worker: Worker) -> int:
        assert worker.process.stdout is not None
        self._selector.unregister(worker.process.stdout)
        return worker.stop()
