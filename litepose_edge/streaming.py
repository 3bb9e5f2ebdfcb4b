"""Runs frames of a source through an estimator: decoding ahead, several at once, in order."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
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

    Args:
        source: Closed at the end, also when the consumer stops early.
        predict: One frame's people; called from several threads.
        workers: How many.
    """
    from litepose_edge.sources import Reader

    process, reader = os.getpid(), Reader(source)
    pool = worker_pool(workers, "frames")
    waiting: deque[tuple[Frame, Future[Poses]]] = deque()
    try:
        with quick_switching:
            failed: Exception | None = None
            frames = iter(reader)
            while True:
                try:
                    frame = next(frames, None)
                except Exception as exc:  # noqa: BLE001 - raised after the frames before it
                    frame, failed = None, exc
                if frame is None:
                    break
                waiting.append((frame, pool.submit(predict, frame)))
                # One frame in reserve keeps every worker busy while the consumer works.
                if len(waiting) > workers:
                    yield _oldest(waiting)
            while waiting:
                yield _oldest(waiting)
            if failed is not None:
                raise failed
    finally:
        # The threads of both are in the process that began the stream, not in a fork of it.
        if os.getpid() == process:
            for _, future in waiting:
                future.cancel()
            reader.close()
            pool.shutdown(wait=True, cancel_futures=True)


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


def _oldest(waiting: deque[tuple[Frame, Future[Poses]]]) -> StreamResult:
    frame, future = waiting.popleft()
    return _result(frame, future.result())


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
