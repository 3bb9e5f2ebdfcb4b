"""Opens videos, cameras and URLs by OpenCV, and reads those that end by themselves."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import cv2
import numpy as np

from litepose_edge.errors import SourceError
from litepose_edge.sources.cameras import PIPELINE, open_camera, open_pipeline
from litepose_edge.sources.formats.video_bytes import is_cut, promised_frames
from litepose_edge.sources.frames import ASSUMED_FPS, Frame, FrameSource, SourceCounts
from litepose_edge.sources.opencv_settings import while_opening

# At its end a film fails thousands of times in a few milliseconds.
FAILURES_IN_A_ROW, AT_ONCE_S = 1000, 1e-3
# Indices list a frame or two more than can be decoded.
COUNT_SLACK = 0.02
MOST_FPS = 1000
# FFmpeg draws texts, of any name, and files of these names, whatever is in them.
DRAWN_TEXT = b"ansi"
DRAWN_SUFFIXES = frozenset({".adf", ".bin", ".cdg", ".idf", ".xb"})
TRUNCATED = "the file is truncated"


def open_capture(
    source: int | str, name: str, timeout_s: float, options: str | None = None
) -> cv2.VideoCapture:
    """Open a file, camera or URL within so many seconds.

    Args:
        source: A camera's number, a camera's device, a pipeline, an absolute path or a URL.
        name: What it is called in messages.
        timeout_s: For opening, and for each read where OpenCV's reader knows of it.
        options: FFmpeg's, of a URL (`opencv_settings.ffmpeg_options`).

    Raises:
        SourceError: There is no such source, it does not answer, or is of an unknown format.
    """
    opened: list[cv2.VideoCapture] = []
    gave_up = threading.Event()

    refused: list[SourceError] = []

    def work() -> None:
        try:
            with while_opening(options):
                capture = _open(source, timeout_s)
        except SourceError as exc:
            refused.append(exc)
            return
        opened.append(capture)
        if gave_up.is_set():
            capture.release()

    thread = threading.Thread(target=work, name="litepose-open", daemon=True)
    thread.start()
    # OpenCV's own time-out speaks first where it has one; a driver that hangs has none.
    thread.join(timeout_s + 1)
    if refused:
        raise refused[0]
    if not opened:
        gave_up.set()
        raise SourceError(f"cannot open {name}: no answer within {timeout_s:g} s")
    if not opened[0].isOpened():
        opened[0].release()
        raise SourceError(f"cannot open {name}: no such camera or stream, or an unknown format")
    if _is_drawn(opened[0], name):
        opened[0].release()
        raise SourceError(f"cannot open {name}: it is a text or the like, and no video")
    return opened[0]


def _is_drawn(capture: cv2.VideoCapture, name: str) -> bool:
    code = (int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF).to_bytes(4, "little")
    suffix = PurePath(name).suffix.lower()
    return code == DRAWN_TEXT or (code == bytes(4) and suffix in DRAWN_SUFFIXES)


def _open(source: int | str, timeout_s: float) -> cv2.VideoCapture:
    try:
        if isinstance(source, int) or source.startswith("/dev/"):
            return open_camera(source)
        if source.startswith(PIPELINE):
            return open_pipeline(source)
        patience = min(int(timeout_s * 1000), 2**31 - 1)
        times = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
        options = [value for key in times for value in (int(key), max(patience, 1))]
        # Others would take digits in a file's name for the number of a picture.
        if cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG):
            return cv2.VideoCapture(source, cv2.CAP_FFMPEG, options)
        return cv2.VideoCapture(source, cv2.CAP_ANY)
    except cv2.error:
        return cv2.VideoCapture()


def grab_next(
    capture: Any,
    counts: SourceCounts,
    patience_s: float,
    *,
    in_a_row: int = FAILURES_IN_A_ROW,
    stopped: Callable[[], bool] = lambda: False,
) -> bool:
    """Grab the next frame; those before it that cannot be decoded are passed over and counted.

    Args:
        capture: Of OpenCV, which answers "no" to a frame it cannot decode as well as at the end.
        counts: Counted up here.
        patience_s: For so long.
        in_a_row: After so many failures that took no time, it is the end.
        stopped: Whether no frame is wanted any more.
    """
    began = time.monotonic()
    failures = at_once = 0
    while not stopped():
        asked = time.monotonic()
        if capture.grab():
            counts.unreadable += failures
            return True
        now = time.monotonic()
        failures += 1
        at_once += now - asked < AT_ONCE_S
        if at_once >= in_a_row:
            break
        if now - began > patience_s:
            counts.unreadable += failures
            break
    return False


def rate_of(capture: cv2.VideoCapture) -> float:
    """Frames a second as the source says; 30 where it does not."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if 0 < fps < MOST_FPS else ASSUMED_FPS


def claimed_frames(capture: cv2.VideoCapture) -> int | None:
    """How many frames there are, which is often made up from duration and rate."""
    claimed = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(claimed) if math.isfinite(claimed) and 0 < claimed < 2**53 else None


def check_frame_size(capture: cv2.VideoCapture, name: str, max_pixels: int) -> None:
    """Refuse a video of larger frames before one is decoded.

    Raises:
        SourceError: The frames have more pixels.
    """
    width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > max_pixels:
        capture.release()
        raise too_large(name, width, height, max_pixels)


def too_large(name: str, width: int, height: int, max_pixels: int) -> SourceError:
    """The error of a frame of too many pixels."""
    return SourceError(
        f"{name} has frames of {width}x{height} pixels, more than the {max_pixels} allowed "
        "(max_pixels)"
    )


def open_video(path: Path, timeout_s: float, max_pixels: int) -> FrameSource:
    """A video file.

    Raises:
        SourceError: It cannot be opened, or its frames are too large.
    """
    name = str(path)
    # Absolute: what stands before a colon in a name is no protocol.
    try:
        capture = open_capture(os.path.abspath(path), name, timeout_s)  # noqa: PTH100 - keeps links
    except SourceError as exc:
        if _file_fault(path, 0) == TRUNCATED:
            raise SourceError(f"cannot open {name}: {TRUNCATED}") from exc
        raise
    check_frame_size(capture, name, max_pixels)
    count, fps = claimed_frames(capture), rate_of(capture)
    counts = SourceCounts()
    film = _Film(capture, name, fps, max_pixels, timeout_s, counts)
    frames = _to_the_end(film, lambda seen, _: _file_fault(path, seen))
    return FrameSource(name, frames, False, count, fps, counts=counts)


def film_by_url(
    capture: cv2.VideoCapture, url: str, name: str, timeout_s: float, max_pixels: int
) -> FrameSource:
    """A film on a server: like a file it waits for the reader, and ends."""
    count, fps = claimed_frames(capture), rate_of(capture)

    def fault(seen: int, last_s: float) -> str | None:
        if count is None or not _is_short(seen, count):
            return None
        return _goes_on(url, name, timeout_s, last_s, fps)

    counts = SourceCounts()
    film = _Film(capture, name, fps, max_pixels, timeout_s, counts)
    return FrameSource(name, _to_the_end(film, fault), False, count, fps, counts=counts)


@dataclass(frozen=True, slots=True)
class _Film:
    capture: cv2.VideoCapture
    name: str
    fps: float
    max_pixels: int
    timeout_s: float
    counts: SourceCounts


def _to_the_end(film: _Film, fault: Callable[[int, float], str | None]) -> Iterator[Frame]:
    capture, name = film.capture, film.name
    last_s, index, seen = -1.0, 0, 0
    # Recordings often begin between two key frames: what comes before the first is no damage.
    before = 0
    try:
        while grab_next(capture, film.counts, film.timeout_s):
            good, image = capture.retrieve()
            if not good:
                film.counts.unreadable += 1
                continue
            if image.shape[0] * image.shape[1] > film.max_pixels:
                raise too_large(name, image.shape[1], image.shape[0], film.max_pixels)
            if not seen:
                before = film.counts.unreadable
            index = seen + film.counts.unreadable - before
            position_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            # Not every container knows its times; the tracker needs growing ones.
            timestamp_s = position_s if position_s > last_s else last_s + 1 / film.fps
            timestamp_s = max(timestamp_s, 0.0)
            yield Frame(np.asarray(image, np.uint8), index, timestamp_s)
            last_s, seen = timestamp_s, seen + 1
    finally:
        capture.release()
    if seen == 0:
        raise SourceError(f"{name} holds no frame that can be decoded")
    found = fault(seen, last_s)
    if found is not None:
        raise SourceError(f"{name} breaks off after {seen} frames: {found}")
    lost = film.counts.unreadable - before
    if _is_short(seen, seen + lost):
        raise SourceError(f"{name} is damaged: {lost} of {seen + lost} frames cannot be decoded")


def _is_short(seen: int, count: int) -> bool:
    return seen < count - max(2, COUNT_SLACK * count)


def _file_fault(path: Path, seen: int) -> str | None:
    try:
        if is_cut(path):
            return TRUNCATED
        promised = promised_frames(path)
    except (OSError, ValueError):
        return "the file has vanished"
    if promised is not None and _is_short(seen, promised):
        return f"its index lists {promised}, so it is damaged"
    return None


def _goes_on(url: str, name: str, timeout_s: float, last_s: float, fps: float) -> str | None:
    """Why a film that ended early is broken; None if it has no later frame after all.

    Containers without an index claim more frames than they hold, so the server is asked again.
    """
    try:
        again = open_capture(url, name, timeout_s)
    except SourceError:
        return "the connection was lost"
    try:
        again.set(cv2.CAP_PROP_POS_MSEC, 1000 * (last_s + 1.5 / fps))
        later = again.grab() and again.get(cv2.CAP_PROP_POS_MSEC) / 1000 > last_s + 0.5 / fps
    finally:
        again.release()
    return "the connection was lost" if later else None
