"""Runs frames of a source through an estimator: decoding ahead, several at once, in order."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from litepose_edge.results import Poses
from litepose_edge.threads import worker_pool

if TYPE_CHECKING:
    from concurrent.futures import Future

    from litepose_edge.sources import Frame, FrameSource

# A thread that comes back from the network waits for the interpreter until the one in Python is
# made to let go, by default after 5 ms: calls then run at .37 to .49 of their rate, at .2 ms .90.
SWITCH_INTERVAL_S = 2e-4


@dataclass(frozen=True, slots=True, eq=False)
class StreamResult:
    """One frame of a stream and who is in it.

    Attributes:
        frame: `(H, W, 3)` uint8 BGR.
        poses: The people.
        index: The frame's number in the source, from 0.
        timestamp_s: Its time from the start of the source.
        name: The file it came from, where each frame is a file.
    """

    frame: NDArray[np.uint8]
    poses: Poses
    index: int
    timestamp_s: float
    name: str | None = None

    def _repr_png_(self) -> bytes:
        """The frame with the people on it, for notebooks."""
        from litepose_edge.drawing import png

        return png(self.poses.draw(self.frame))


def in_parallel(
    source: FrameSource, predict: Callable[[Frame], Poses], workers: int
) -> Generator[StreamResult, None, None]:
    """Frames by several workers at once, results in the order of the frames.

    A live source's results are handed out as soon as they are there. A file's stay one frame
    longer, which keeps every worker busy while the consumer works.

    Args:
        source: Closed at the end, also when the consumer stops early.
        predict: One frame's people; called from several threads.
        workers: How many.
    """
    from litepose_edge.sources import Reader

    process, reader = os.getpid(), Reader(source)
    pool = worker_pool(workers, "frames")
    results = _Results(workers, reader.wake if source.live else None)
    failures: list[Exception] = []
    try:
        with quick_switching:
            for frame in _until_failure(reader.frames(results.due), failures):
                if frame is not None:
                    results.add(frame, pool.submit(predict, frame))
                while results.due():
                    yield results.oldest()
            while results.waiting:
                yield results.oldest()
            if failures:
                raise failures[0]
    finally:
        # The threads of both are in the process that began the stream, not in a fork of it.
        if os.getpid() == process:
            for _, future in results.waiting:
                future.cancel()
            reader.close()
            pool.shutdown(wait=True, cancel_futures=True)


def _until_failure(
    frames: Iterator[Frame | None], failures: list[Exception]
) -> Iterator[Frame | None]:
    """Frames up to an error, which is kept: those before it have results to hand out."""
    try:
        yield from frames
    except Exception as exc:  # noqa: BLE001 - the caller raises it
        failures.append(exc)


class _Results:
    """Results under way, in the order of their frames.

    Args:
        workers: How many work on them.
        wake: Called when one is done, of a source that is live.
    """

    def __init__(self, workers: int, wake: Callable[[], None] | None) -> None:
        self._workers, self._wake = workers, wake
        self.waiting: deque[tuple[Frame, Future[Poses]]] = deque()

    def add(self, frame: Frame, future: Future[Poses]) -> None:
        self.waiting.append((frame, future))
        if (wake := self._wake) is not None:
            future.add_done_callback(lambda _: wake())

    def due(self) -> bool:
        """Whether the oldest is to be handed out."""
        # One frame in reserve keeps every worker busy while the consumer works.
        if len(self.waiting) > self._workers:
            return True
        return self._wake is not None and len(self.waiting) > 0 and self.waiting[0][1].done()

    def oldest(self) -> StreamResult:
        """Waits for it."""
        frame, future = self.waiting.popleft()
        return _result(frame, future.result())


def one_by_one(
    source: FrameSource, update: Callable[[Frame], Poses]
) -> Generator[StreamResult, None, None]:
    """Frames in order through something that remembers, decoded ahead.

    Args:
        source: Closed at the end, also when the consumer stops early.
        update: One frame's people.
    """
    from litepose_edge.sources import Reader

    process, reader = os.getpid(), Reader(source)
    try:
        with quick_switching:
            for frame in reader:
                poses = update(frame)
                yield _result(frame, poses)
    finally:
        if os.getpid() == process:
            reader.close()


def _result(frame: Frame, poses: Poses) -> StreamResult:
    return StreamResult(frame.image, poses, frame.index, frame.timestamp_s, frame.name)


class _QuickSwitching:
    """Makes Python threads let go sooner while any stream runs; the last one restores it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(min(SWITCH_INTERVAL_S, self._before))
            self._users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.setswitchinterval(self._before)


quick_switching = _QuickSwitching()
