"""Reads a source in a thread of its own, a few frames ahead."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

from litepose_edge.errors import SourceError
from litepose_edge.sources.frames import Frame, FrameSource

AHEAD = 4
JOIN_S = 5.0


class Reader:
    """Iterates over a source's frames while a thread decodes the next ones.

    A live source never waits: when the consumer is slow, the oldest waiting frame is dropped,
    unless its `drop` is False. A file waits: nothing is dropped.

    Args:
        source: Read by this object alone from now on.
        ahead: How many frames may wait.
    """

    def __init__(self, source: FrameSource, ahead: int = AHEAD) -> None:
        self._source, self._drops = source, source.live and source.drop
        self._ahead = 1 if self._drops else ahead
        # Nothing is waited for at a file: a slow disk is no error.
        self._timeout_s = source.timeout_s if source.live else None
        self._waiting: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._stopped = self._ended = False
        self._error: BaseException | None = None
        self._join_s = JOIN_S
        self._thread = threading.Thread(target=self._read, name="litepose-source", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many frames were dropped."""
        return self._source.counts.dropped

    def __iter__(self) -> Iterator[Frame]:
        for frame in self.frames(lambda: False):
            assert frame is not None
            yield frame

    def wake(self) -> None:
        """Have `frames` ask again whether it is interrupted; from any thread."""
        with self._changed:
            self._changed.notify_all()

    def frames(self, interrupted: Callable[[], bool]) -> Iterator[Frame | None]:
        """The frames, and None in between where there is something else to do.

        Args:
            interrupted: Whether there is, while no frame has come; asked after `wake`.
        """
        while True:
            with self._changed:
                if not self._changed.wait_for(
                    lambda: self._waiting or self._ended or interrupted(), self._timeout_s
                ):
                    self._join_s = 0.0
                    raise SourceError(
                        f"{self._source.name} stopped: no frame came for {self._timeout_s:g} s"
                    )
                frame = None
                if self._waiting:
                    frame = self._waiting.popleft()
                    self._changed.notify_all()
                elif self._ended:
                    break
            yield frame
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop reading and let go of the source; closing twice is fine."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()
        self._source.interrupt()
        # A camera or a stalled stream may block its thread for longer: it is a daemon.
        self._thread.join(self._join_s)

    def _read(self) -> None:
        try:
            for frame in self._source.frames:
                if not self._offer(frame):
                    break
        except BaseException as exc:  # noqa: BLE001 - handed to the consumer, which raises it
            self._error = exc
        finally:
            self._source.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _offer(self, frame: Frame) -> bool:
        """Put a frame where the consumer finds it; False once reading was stopped."""
        with self._changed:
            if self._drops:
                while len(self._waiting) >= self._ahead:
                    self._waiting.popleft()
                    self._source.counts.dropped += 1
            else:
                self._changed.wait_for(lambda: self._stopped or len(self._waiting) < self._ahead)
            if self._stopped:
                return False
            self._waiting.append(frame)
            self._changed.notify_all()
            return True
