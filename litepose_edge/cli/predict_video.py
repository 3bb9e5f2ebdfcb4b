"""The part of `litepose-edge predict` that tracks people through videos and cameras."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from litepose_edge.cli.console import json_lines, messages, results
from litepose_edge.errors import BackendUnavailableError, OutputError
from litepose_edge.estimator import Estimator
from litepose_edge.sources import open_source
from litepose_edge.streaming import StreamResult

VIDEO_CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
WINDOW = "litepose-edge"
QUIT_KEYS = (ord("q"), 27)


@dataclass(frozen=True, slots=True)
class VideoOutputs:
    """Where the results of a stream go.

    Attributes:
        save: Video file with the skeletons drawn, or None.
        json_file: JSON lines go here; None prints a line a frame instead, if `print_json`.
        print_json: JSON lines on stdout.
        show: A window, closed with `q` or Escape.
    """

    save: Path | None
    json_file: Path | None
    print_json: bool
    show: bool


def predict_video(
    estimator: Estimator,
    source: str,
    outputs: VideoOutputs,
    *,
    detect_every: int,
    smooth: bool,
) -> int:
    """Track people through a video or camera; return how many frames there were.

    Files appear under their names when the stream ends, also when it breaks off or is
    interrupted: the frames until then are in them.

    Raises:
        SourceError: The source cannot be opened or breaks off.
        OutputError: A file cannot be written.
        BackendUnavailableError: `show` without an OpenCV that has windows.
    """
    if outputs.save is not None and outputs.save.suffix.lower() not in VIDEO_CODECS:
        raise OutputError(
            f"cannot save a video as {outputs.save}: give a name ending in "
            f"{', '.join(VIDEO_CODECS)}"
        )
    if outputs.show:
        check_windows()
    frames = 0
    opened = open_source(int(source) if source.isdecimal() else source)
    stream = estimator.stream(opened, detect_every=detect_every, smooth=smooth)
    with contextlib.ExitStack() as stack:
        stack.callback(stream.close)  # type: ignore[attr-defined]
        video = stack.enter_context(_video_writer(outputs.save, opened.fps))
        lines = stack.enter_context(_line_writer(outputs))
        progress = stack.enter_context(_progress_bar(opened.count))
        for result in stream:
            frames += 1
            _write(result, source, video, lines)
            progress(result)
            if outputs.show and not _show(result):
                break
    return frames


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


def _show(result: StreamResult) -> bool:
    cv2.imshow(WINDOW, result.poses.draw(result.frame))
    return cv2.waitKey(1) & 0xFF not in QUIT_KEYS


def _write(result: StreamResult, source: str, video: Any, lines: Any) -> None:
    if video is not None:
        video(result.poses.draw(result.frame))
    if lines is not None:
        document = {
            "source": source,
            "index": result.index,
            "timestamp_s": round(result.timestamp_s, 6),
            **result.poses.to_dict(),
        }
        lines(json.dumps(document, allow_nan=False) + "\n")


@contextlib.contextmanager
def _video_writer(path: Path | None, fps: float) -> Iterator[Any]:
    """A function that appends a frame; the file is opened with the first one's size."""
    if path is None:
        yield None
        return
    partial = path.with_name(f"{path.stem}.part{path.suffix}")
    writer: cv2.VideoWriter | None = None
    size: tuple[int, int] | None = None

    def append(frame: NDArray[np.uint8]) -> None:
        nonlocal writer, size
        if writer is None:
            size = (frame.shape[1], frame.shape[0])
            path.parent.mkdir(parents=True, exist_ok=True)
            code = cv2.VideoWriter.fourcc(*VIDEO_CODECS[path.suffix.lower()])
            writer = cv2.VideoWriter(str(partial), code, fps, size)
            if not writer.isOpened():
                raise OutputError(f"cannot write {path}: no encoder, or the place is not writable")
        if (frame.shape[1], frame.shape[0]) != size:
            raise OutputError(f"cannot write {path}: the frame size changed from {size}")
        writer.write(frame)

    try:
        yield append
    finally:
        if writer is not None:
            writer.release()
            with contextlib.suppress(FileNotFoundError):
                partial.replace(path)


@contextlib.contextmanager
def _line_writer(outputs: VideoOutputs) -> Iterator[Any]:
    if outputs.json_file is None:
        yield results.file.write if outputs.print_json else None
        return
    with json_lines(outputs.json_file) as append:
        yield append


@contextlib.contextmanager
def _progress_bar(count: int | None) -> Iterator[Any]:
    """A bar with the frames a second so far."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} frames, {task.fields[fps]:.1f} a second"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=messages, transient=True) as bar:
        task = bar.add_task("predict", total=count, fps=0.0)
        started = time.monotonic()
        done = 0

        def progress(result: StreamResult) -> None:
            nonlocal done
            done += 1
            elapsed = max(time.monotonic() - started, 1e-6)
            bar.update(task, completed=done, fps=done / elapsed)

        yield progress
    messages.print(
        f"{done} frames, {done / max(time.monotonic() - started, 1e-6):.1f} a second", markup=False
    )
