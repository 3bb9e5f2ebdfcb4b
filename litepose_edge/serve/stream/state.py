"""What state the stream is in, in words that a stranger may read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
from pathlib import PurePath
from urllib.parse import urlsplit

from litepose_edge.sources.cameras import PIPELINE
from litepose_edge.sources.kinds import URL, without_password

LONGEST_REASON = 300


class Condition(str, Enum):
    """What a stream does."""

    RUNNING = "running"
    PAUSED = "paused"
    WAITING = "waiting"
    ENDED = "ended"
    FAILED = "failed"


class StreamState:
    """A condition and its reason; safe to use from several threads.

    Args:
        told: Called with each new condition and reason.
    """

    def __init__(self, told: Callable[[Condition, str | None], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._told = told
        self._now: tuple[Condition, str | None] = (Condition.WAITING, "the source is being opened")

    @property
    def now(self) -> tuple[Condition, str | None]:
        """Condition and reason."""
        return self._now

    def set(self, condition: Condition, reason: str | None = None) -> None:
        """Change both; telling of it what is new."""
        with self._lock:
            if self._now == (condition, reason):
                return
            self._now = (condition, reason)
        if self._told is not None:
            self._told(condition, reason)


def safe_name(source: str) -> str:
    """What viewers may know of a source: no password, no query, no folders, no pipeline."""
    if source.startswith(PIPELINE):
        return "GStreamer pipeline"
    if URL.match(source):
        try:
            parts = urlsplit(without_password(source))
        except ValueError:
            return "a malformed URL"
        if parts.scheme.lower() == "file":
            return PurePath(parts.path).name
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if source.isdecimal():
        return f"camera {source[:8]}"
    return PurePath(source).name or source


def safe_reason(exc: Exception, source: str) -> str:
    """What viewers may know of an error: the source by its safe name, no addresses of others."""
    text = str(exc)
    if not source.isdecimal():  # a camera's number is called one already
        for spelled in dict.fromkeys((source, without_password(source))):
            text = text.replace(spelled, safe_name(source))
    # Whatever else an engine quotes: no credentials in URLs.
    return without_password(text)[:LONGEST_REASON]
