"""The part of `predict` that tracks people through films, cameras and streams."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.cli.console import messages
from litepose_edge.cli.predict.drawing import drawer
from litepose_edge.cli.predict.film_writer import film_writer
from litepose_edge.cli.predict.inputs import Input
from litepose_edge.cli.predict.progress import Tally, bar_of, counted
from litepose_edge.errors import BackendUnavailableError, SourceError
from litepose_edge.estimator import Estimator
from litepose_edge.sources import FrameSource, open_source
from litepose_edge.sources.opencv_settings import Transport
from litepose_edge.streaming import StreamResult

WINDOW = "litepose-edge"
QUIT_KEYS = (ord("q"), 27)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmOptions:
    """How films are read, tracked and shown.

    Attributes:
        detect_every: Run the detector on every so many frames.
        smooth: Smooth the keypoints.
        draw: What is drawn besides the skeletons.
        show: In a window, closed with `q` or Escape.
        sound: Keep the sound in the saved film.
        reconnect: Open a camera or stream again when it stops.
        timeout_s: Without a frame for so long it has stopped.
        drop: Whether its frames are dropped when they come too fast.
        transport: Of an RTSP camera, or None.
        low_latency: Buffer nothing of a stream.
        max_pixels: Larger frames are refused.
        quiet: No bar, and no line at the end.
    """

    detect_every: int
    smooth: bool
    draw: str
    show: bool
    sound: bool
    reconnect: bool
    timeout_s: float
    drop: bool
    transport: Transport | None
    low_latency: bool
    max_pixels: int
    quiet: bool


def predict_film(
    estimator: Estimator,
    film: Input,
    target: Path | None,
    lines: Callable[[str], object] | None,
    tally: Tally,
    options: FilmOptions,
) -> None:
    """Track people through a film or camera.

    The saved film appears under its name when this one ends, also when it breaks off or is
    interrupted: the frames until then are in it.

    Args:
        estimator: Finds the people.
        film: What is read.
        target: File of the drawn film, or None.
        lines: Takes a line of JSON a frame, or None.
        tally: Counted up here.
        options: How.

    Raises:
        SourceError: The film cannot be opened, or breaks off.
        OutputError: A file cannot be written.
        BackendUnavailableError: `show` without an OpenCV that has windows.
    """
    opened = open_source(
        film.source,
        max_pixels=options.max_pixels,
        reconnect=options.reconnect,
        timeout_s=options.timeout_s,
        drop=options.drop,
        transport=options.transport,
        low_latency=options.low_latency,
    )
    with contextlib.closing(opened):
        sound = _sound(film, opened) if options.sound else None
        if options.show:
            check_windows()
        found = _Found()
        try:
            _track(estimator, film, opened, sound, target, lines, options, found)
        finally:
            tally.films += 1
            tally.frames += found.frames
            tally.people += len(found.track_ids)


class _Found:
    """What one film has come to."""

    def __init__(self) -> None:
        self.frames = 0
        self.track_ids: set[int] = set()

    def add(self, result: StreamResult) -> int:
        """Count a frame; the people so far."""
        self.frames += 1
        if result.poses.track_ids is not None:
            self.track_ids.update(result.poses.track_ids.tolist())
        return len(self.track_ids)


def _track(
    estimator: Estimator,
    film: Input,
    opened: FrameSource,
    sound: str | None,
    target: Path | None,
    lines: Callable[[str], object] | None,
    options: FilmOptions,
    found: _Found,
) -> None:
    drawn = drawer(options.draw)
    stream = estimator.stream(opened, detect_every=options.detect_every, smooth=options.smooth)
    with contextlib.ExitStack() as stack:
        stack.callback(stream.close)  # type: ignore[attr-defined]
        video = target and stack.enter_context(film_writer(target, opened.fps, sound))
        advance = stack.enter_context(
            bar_of(opened.count, "frames", quiet=options.quiet, name=Path(film.name).name)
        )
        for result in stream:
            advance(found.add(result))
            if lines is not None:
                lines(_line(film.name, result))
            if video or options.show:
                drawing = drawn(result.frame, result.poses, result.timestamp_s)
                if video:
                    video(drawing, result.timestamp_s)
                if options.show and not _show(drawing):
                    break
    lost = counted(opened.counts)
    if lost and not options.quiet:
        messages.print(f"{film.name}: {found.frames} frames{lost}")


def check_windows() -> None:
    """Make sure that this OpenCV has windows.

    Raises:
        BackendUnavailableError: It was built without.
    """
    try:
        cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL)
    except cv2.error as exc:
        raise BackendUnavailableError(
            "--show needs an OpenCV with windows, and this one is headless: "
            "use --save FILE.mp4 instead, or install opencv-python in its place"
        ) from exc


def _show(drawing: NDArray[np.uint8]) -> bool:
    cv2.imshow(WINDOW, drawing)
    return cv2.waitKey(1) & 0xFF not in QUIT_KEYS


def _line(name: str, result: StreamResult) -> str:
    document = {
        "source": name,
        "index": result.index,
        "timestamp_s": round(result.timestamp_s, 6),
        **result.poses.to_dict(),
    }
    return json.dumps(document, allow_nan=False) + "\n"


def _sound(film: Input, opened: FrameSource) -> str:
    """What the sound is read from, apart from the pictures."""
    if opened.live:
        raise SourceError(f"the sound of {opened.name} cannot be kept: it is no film")
    # Absolute: what stands before a colon in a name is no protocol.
    return os.path.abspath(film.source) if Path(film.source).exists() else film.source  # noqa: PTH100
