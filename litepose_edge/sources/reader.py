"""Reads a source in a thread of its own, a few frames ahead."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from litepose_edge.sources.frames import Frame, FrameSource

AHEAD = 4
JOIN_S = 5.0


class Reader:
    """Iterates over a source's frames while a thread decodes the next ones.

    A live source never waits: when the consumer is slow, the oldest waiting frame is dropped. A
    file waits: nothing is dropped.

    Args:
        source: Read by this object alone from now on.
        ahead: How many frames may wait.
    """

    def __init__(self, source: FrameSource, ahead: int = AHEAD) -> None:
        self._source, self._ahead = source, 1 if source.live else ahead
        self._waiting: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._stopped = self._ended = False
        self._error: BaseException | None = None
        self.dropped = 0
        self._thread = threading.Thread(target=self._read, name="litepose-source", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    break
                frame = self._waiting.popleft()
                self._changed.notify_all()
            yield frame
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop reading and let go of the source; closing twice is fine."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()
        # A camera or a stalled stream may block its thread for longer: it is a daemon.
        self._thread.join(JOIN_S)

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
            if self._source.live:
                while len(self._waiting) >= self._ahead:
                    self._waiting.popleft()
                    self.dropped += 1
            else:
                self._changed.wait_for(lambda: self._stopped or len(self._waiting) < self._ahead)
            if self._stopped:
                return False
            self._waiting.append(frame)
            self._changed.notify_all()
            return True
