"""Records the stream into a film on the board, in a thread of its own."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import LitePoseError, OutputError
from litepose_edge.serve.stream.results import Treated

# So many frames may wait for the encoder; then frames are left out of the film, not of the stream.
MOST_WAITING = 8
LEAST_FREE_BYTES = 200_000_000

log = logging.getLogger(__name__)


class Film(Protocol):
    """Writes a film (`cli.predict.film_writer.FilmWriter`)."""

    def append(self, image: NDArray[np.uint8], timestamp_s: float) -> None:
        """Show a frame from its time on."""

    def finish(self) -> None:
        """Give the film its name."""


OpenFilm = Callable[[Path, float], Film]


class Recorder:
    """One film at a time, named after the time when it began.

    Args:
        folder: Where films go; made when the first one begins.
        open_film: Begins a film of so many frames a second.
        longest_s: A film ends by itself after so many seconds.
    """

    def __init__(self, folder: Path, open_film: OpenFilm, longest_s: float) -> None:
        self._folder, self._open_film, self._longest_s = folder, open_film, longest_s
        self._changed = threading.Condition()
        self._waiting: deque[Treated] = deque()
        self._thread: threading.Thread | None = None
        self._wanted = False
        self.problem: str | None = None

    @property
    def recording(self) -> bool:
        """Whether a film is being recorded."""
        return self._wanted

    def start(self, fps: float) -> None:
        """Begin a film, if none is being recorded.

        Args:
            fps: Frames a second.

        Raises:
            OutputError: The one before is not finished yet, the folder cannot be written, or
                the disk is nearly full.
        """
        with self._changed:
            if self._wanted:
                return
            if self._thread is not None and self._thread.is_alive():
                raise OutputError("the recording before is still being finished: ask again soon")
            film = self._open_film(self._free_name(), fps)
            try:
                self._check_space()
            except OutputError:
                film.finish()
                raise
            self._waiting.clear()
            self._wanted, self.problem = True, None
            self._thread = threading.Thread(
                target=self._write, args=(film,), name="litepose-record", daemon=True
            )
            self._thread.start()

    def stop(self, timeout_s: float | None = 0.0) -> None:
        """End the film; it has its name when it is whole, at most so many seconds later."""
        with self._changed:
            self._wanted = False
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def take(self, treated: Treated) -> None:
        """Record a frame, if one is being recorded; waits for nothing."""
        if not self._wanted:
            return
        with self._changed:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(treated)
                self._changed.notify()

    def _write(self, film: Film) -> None:
        try:
            self._write_frames(film)
        except LitePoseError as exc:
            self.problem = str(exc)
            log.warning("recording: %s", exc)
        except Exception:
            # Encoders raise what they like; the stream goes on, and viewers are told.
            self.problem = "the recording failed and has ended: see the log"
            log.exception("recording")
        finally:
            with self._changed:
                self._wanted = False
                self._waiting.clear()

    def _write_frames(self, film: Film) -> None:
        began_s: float | None = None
        ends_s = time.monotonic() + self._longest_s
        try:
            while True:
                with self._changed:
                    # Also where no frame comes any more.
                    left_s = max(ends_s - time.monotonic(), 0.0)
                    self._changed.wait_for(lambda: self._waiting or not self._wanted, left_s)
                    if not self._waiting:
                        return
                    treated = self._waiting.popleft()
                began_s = treated.timestamp_s if began_s is None else began_s
                if treated.timestamp_s - began_s > self._longest_s:
                    return
                self._check_space()
                film.append(treated.image, treated.timestamp_s)
        finally:
            film.finish()

    def _free_name(self) -> Path:
        """A film of this second; with a number where there is one already."""
        began = datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
        path, number = self._folder / f"{began}.mp4", 1
        while path.exists():
            number += 1
            path = self._folder / f"{began}-{number}.mp4"
        return path

    def _check_space(self) -> None:
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError as exc:
            raise OutputError(f"cannot write into {self._folder.name}: {exc.strerror}") from exc
        if free < LEAST_FREE_BYTES:
            raise OutputError(
                f"the disk has less than {LEAST_FREE_BYTES // 1_000_000} MB left: nothing is "
                "recorded; make room first"
            )
