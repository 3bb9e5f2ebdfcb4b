"""OpenCV's process-wide settings while a source is tried: log level, FFmpeg's options."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import cv2

Transport = Literal["tcp", "udp"]

LEVEL_VARIABLE, OPTIONS_VARIABLE = "OPENCV_LOG_LEVEL", "OPENCV_FFMPEG_CAPTURE_OPTIONS"
SILENT = 0
# OpenCV 4.10 has the functions in another place than later versions.
_logging: Any = getattr(cv2.utils, "logging", cv2)
# Frames are given out as they come: no buffer while the format is found out, no waiting for order.
LOW_LATENCY = ("fflags;nobuffer", "flags;low_delay", "max_delay;0")
# What OpenCV asks FFmpeg for as long as nobody sets the variable.
PREFER_TCP = "rtsp_flags;prefer_tcp"
FFMPEG_VARIABLE, QUIET = "OPENCV_FFMPEG_LOGLEVEL", "-8"


def log_level() -> int:
    """How much OpenCV says by itself; 0 is nothing."""
    return int(_logging.getLogLevel())


def set_log_level(level: int) -> None:
    """Say how much OpenCV is to say."""
    _logging.setLogLevel(level)


def ffmpeg_options(transport: Transport | None, *, low_latency: bool) -> str | None:
    """What `OPENCV_FFMPEG_CAPTURE_OPTIONS` must be; None leaves it as it is.

    Args:
        transport: Of RTSP; None: TCP if the camera has it.
        low_latency: Whether FFmpeg is to buffer nothing.

    Raises:
        ValueError: There is no such transport.
    """
    if transport not in (None, "tcp", "udp"):
        raise ValueError(f"transport must be 'tcp' or 'udp', got {transport!r:.100}")
    if transport is None and not low_latency:
        return None
    own = os.environ.get(OPTIONS_VARIABLE)
    chosen = list(LOW_LATENCY if low_latency else ())
    if transport is not None:
        chosen.insert(0, f"rtsp_transport;{transport}")
    elif not own:
        chosen.insert(0, PREFER_TCP)
    return "|".join([own, *chosen] if own else chosen)


class _Shared(ABC):
    """A setting of the whole process, which several threads may want at once.

    Those who want the same share it; others wait until it is free.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._users, self._wanted = 0, ""
        self._before: object = None

    @contextmanager
    def held(self, wanted: str) -> Iterator[None]:
        """The setting is so inside; as it was before, afterwards."""
        with self._changed:
            self._changed.wait_for(lambda: not self._users or self._wanted == wanted)
            if not self._users:
                self._wanted, self._before = wanted, self._set(wanted)
            self._users += 1
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                if not self._users:
                    self._restore(self._before)
                    self._changed.notify_all()

    @abstractmethod
    def _set(self, wanted: str) -> object:
        """Change it; what it was before."""

    @abstractmethod
    def _restore(self, before: object) -> None:
        """Change it back to what `_set` returned."""


class _CaptureOptions(_Shared):
    """The environment variable, which FFmpeg's reader looks at when it opens a source."""

    def _set(self, wanted: str) -> object:
        before = os.environ.get(OPTIONS_VARIABLE)
        if wanted:
            os.environ[OPTIONS_VARIABLE] = wanted
        return before

    def _restore(self, before: object) -> None:
        if not self._wanted:
            return
        if isinstance(before, str):
            os.environ[OPTIONS_VARIABLE] = before
        else:
            os.environ.pop(OPTIONS_VARIABLE, None)


class _LogLevel(_Shared):
    """OpenCV's own messages; who sets `OPENCV_LOG_LEVEL` wants to see them."""

    def _set(self, wanted: str) -> object:
        if LEVEL_VARIABLE in os.environ:
            return None
        before = log_level()
        set_log_level(SILENT)
        return before

    def _restore(self, before: object) -> None:
        if isinstance(before, int):
            set_log_level(before)


_capture_options, _log_level = _CaptureOptions(), _LogLevel()


@contextmanager
def while_opening(options: str | None) -> Iterator[None]:
    """OpenCV says nothing by itself inside, and opens URLs with these options.

    FFmpeg reads how much it says once, when the first film of the process is opened.

    Args:
        options: As `ffmpeg_options` gives them; None leaves the user's own.
    """
    os.environ.setdefault(FFMPEG_VARIABLE, QUIET)
    with _log_level.held("silent"), _capture_options.held(options or ""):
        yield
