"""A frame, and a source of frames that has been opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

ASSUMED_FPS = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a source.

    Attributes:
        image: `(H, W, 3)` uint8 BGR.
        index: Its number in the source, from 0; dropped frames leave gaps.
        timestamp_s: Its time from the start of the source, in seconds.
        name: The file it came from, where each frame is a file.
    """

    image: Image
    index: int
    timestamp_s: float
    name: str | None = None


@dataclass(slots=True)
class SourceCounts:
    """What happened to a source until now.

    Attributes:
        dropped: Frames of a live source that came while the one before was still waiting.
        unreadable: Frames that came and could not be decoded.
        reconnected: How often a live source was lost and found again.
    """

    dropped: int = 0
    unreadable: int = 0
    reconnected: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class FrameSource:
    """An opened source.

    Attributes:
        name: What it is called in messages.
        frames: The frames; raises `SourceError` where the source breaks off. Where it has a
            method `interrupt()`, that is called from another thread to end a wait.
        live: Whether it goes on without waiting for the reader, as cameras do.
        count: How many frames it says to have; None where it cannot know.
        fps: Frames a second; 30 where it does not say.
        timeout_s: A live source that gives no frame for longer has failed; None waits for ever.
        drop: Whether a live source's frames are dropped when they come too fast.
        counts: Frames dropped and unreadable, reconnections; goes on counting.
    """

    name: str
    frames: Iterator[Frame]
    live: bool = False
    count: int | None = None
    fps: float = ASSUMED_FPS
    timeout_s: float | None = None
    drop: bool = True
    counts: SourceCounts = field(default_factory=SourceCounts)

    def close(self) -> None:
        """Let go of the file or camera; closing twice is fine."""
        with suppress(AttributeError, ValueError):
            self.frames.close()  # type: ignore[attr-defined]

    def interrupt(self) -> None:
        """End a wait of the thread that reads: no further frame is wanted."""
        with suppress(AttributeError):
            self.frames.interrupt()  # type: ignore[attr-defined]
