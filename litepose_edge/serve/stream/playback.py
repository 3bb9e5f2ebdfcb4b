"""Plays a source as it happens: films at their own rate, cameras as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from litepose_edge.sources import Frame, FrameSource

# A decoder that falls behind by more plays on from where it is, instead of hurrying after.
MOST_BEHIND_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class PlayedFrame(Frame):
    """A frame and when it was there to be seen.

    Attributes:
        came_s: By the monotonic clock.
    """

    came_s: float = 0.0


class PlayedFrames(Iterator[Frame]):
    """The frames of a source, each with its moment; those of a film wait for theirs.

    Args:
        source: An opened source.

    Attributes:
        due_s: When the next frame of a film is to be seen, by the monotonic clock; long ago where
            none is waited for.
    """

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self._began_s: float | None = None
        self._stopped = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self.due_s = 0.0

    def __next__(self) -> PlayedFrame:
        frame = next(self._source.frames)
        if not self._source.live:
            self._wait_for(frame)
        return PlayedFrame(
            frame.image, frame.index, frame.timestamp_s, frame.name, came_s=time.monotonic()
        )

    def hold(self) -> None:
        """Let a film stand; a camera cannot be held."""
        self._flowing.clear()

    def go_on(self) -> None:
        """Let it run again from where it stands."""
        self._flowing.set()

    def interrupt(self) -> None:
        """End a wait: no further frame is wanted."""
        self._stopped.set()
        self._flowing.set()
        self._source.interrupt()

    def close(self) -> None:
        """Let go of the source; closing twice is fine."""
        self.interrupt()
        self._source.close()

    def _wait_for(self, frame: Frame) -> None:
        if not self._flowing.is_set():
            self._flowing.wait()
            self._began_s = None
        now = time.monotonic()
        if self._began_s is None:
            self._began_s = now - frame.timestamp_s
        early_s = self._began_s + frame.timestamp_s - now
        if early_s > 0:
            self.due_s = now + early_s
            self._stopped.wait(early_s)
        elif early_s < -MOST_BEHIND_S:
            self._began_s = now - frame.timestamp_s


def played(source: FrameSource) -> FrameSource:
    """The same source, played: films are live as well, so that late frames are dropped."""
    return replace(source, frames=PlayedFrames(source), live=True)
