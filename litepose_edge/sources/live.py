"""Reads cameras and streams: what never ends by itself has failed when it stops."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np

from litepose_edge.errors import SourceError
from litepose_edge.sources.capture import FAILURES_IN_A_ROW, grab_next, too_large
from litepose_edge.sources.frames import Frame, SourceCounts
from litepose_edge.sources.images import IMAGE_SUFFIXES

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a live source is read.

    Attributes:
        name: What it is called in messages.
        fps: Frames a second that it says to give.
        timeout_s: Without a frame for longer it has failed.
        reconnect_s: Open it again when it fails, for so long; 0 never, infinity for ever.
        max_pixels: Larger frames are refused.
        own_clock: Whether the source's times are measured; else a frame's time is when it came.
        failures_in_a_row: After so many that took no time it has stopped.
    """

    name: str
    fps: float
    timeout_s: float
    reconnect_s: float
    max_pixels: int
    own_clock: bool
    failures_in_a_row: int = FAILURES_IN_A_ROW


class LiveFrames(Iterator[Frame]):
    """The frames of a camera or stream until it is closed.

    Args:
        capture: Opened; released by this object.
        reopen: Opens it again, or raises `SourceError`.
        options: How it is read.
        counts: Counted up here.
    """

    def __init__(
        self,
        capture: Any,
        reopen: Callable[[], Any],
        options: LiveOptions,
        counts: SourceCounts,
    ) -> None:
        self._capture, self._reopen = capture, reopen
        self._options, self._counts = options, counts
        self._stop = threading.Event()
        self._reading = threading.Lock()  # a capture that is being read must not be released
        self._index = 0
        self._last_s = -1.0
        self._began = self._came = time.monotonic()
        # What is added to the source's own times, which start anew with each connection.
        self._offset_s: float | None = 0.0
        self._delay_s = FIRST_DELAY_S

    def __next__(self) -> Frame:
        with self._reading:
            return self._next()

    def _next(self) -> Frame:
        while not self._stop.is_set():
            image = self._read()
            if image is None:
                if self._is_one_picture():
                    break
                self._connect_again()
                continue
            height, width = image.shape[:2]
            if width * height > self._options.max_pixels:
                raise too_large(self._options.name, width, height, self._options.max_pixels)
            if self._stop.is_set():
                break
            frame = Frame(image, self._index, self._timestamp_s())
            self._index, self._last_s = self._index + 1, frame.timestamp_s
            self._came, self._delay_s = time.monotonic(), FIRST_DELAY_S
            return frame
        self._stop.set()
        self._capture.release()
        raise StopIteration

    def interrupt(self) -> None:
        """End a wait between two attempts to connect."""
        self._stop.set()

    def close(self) -> None:
        """Let go of the camera or connection; closing twice is fine.

        While another thread reads, that thread lets go when its read is over.
        """
        self._stop.set()
        if self._reading.acquire(blocking=False):
            try:
                self._capture.release()
            finally:
                self._reading.release()

    def _read(self) -> Any:
        """The next frame that can be decoded; None where the source has stopped."""
        options, began = self._options, time.monotonic()
        while grab_next(
            self._capture,
            self._counts,
            options.timeout_s,
            in_a_row=options.failures_in_a_row,
            stopped=self._stop.is_set,
        ):
            try:
                good, image = self._capture.retrieve()
            except cv2.error:
                good, image = False, None
            if good and image is not None and image.size:
                return np.asarray(image, np.uint8)
            self._counts.unreadable += 1
            if time.monotonic() - began > options.timeout_s:
                break
        return None

    def _timestamp_s(self) -> float:
        now = time.monotonic()
        if not self._options.own_clock:
            seconds = now - self._began
        else:
            position_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if self._offset_s is None:
                # The first one after a gap: as much later as it came later.
                self._offset_s = self._last_s + (now - self._came) - position_s
            seconds = position_s + self._offset_s
        if self._index and not (math.isfinite(seconds) and seconds > self._last_s):
            seconds = self._last_s + (
                1e-3 if not self._options.own_clock else 1 / self._options.fps
            )
        return max(seconds, 0.0) if math.isfinite(seconds) else 0.0

    def _is_one_picture(self) -> bool:
        """A photograph on a server is no stream: it ends after the picture."""
        if self._index != 1:
            return False
        path = urlsplit(self._options.name).path
        return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES

    def _connect_again(self) -> None:
        if self._stop.is_set():
            return
        self._capture.release()
        stopped = f"{self._options.name} stopped after {self._index} frames"
        if not self._options.reconnect_s:
            raise SourceError(
                f"{stopped}: the connection was lost, or no frame came for "
                f"{self._options.timeout_s:g} s (reconnect=True, --reconnect try again)"
            )
        while not self._stop.wait(self._delay_s):
            # A source that opens and gives nothing is asked less and less often, too.
            self._delay_s = min(2 * self._delay_s, LONGEST_DELAY_S)
            if time.monotonic() - self._came > self._options.reconnect_s:
                raise SourceError(
                    f"{stopped} and did not come back within {self._options.reconnect_s:g} s"
                )
            try:
                self._capture = self._reopen()
            except SourceError:
                continue
            self._offset_s = None
            self._counts.reconnected += 1
            return
