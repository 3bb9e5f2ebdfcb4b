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
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from litepose_edge.cli.console import json_lines, messages, results
from litepose_edge.cli.film_writer import film_writer
from litepose_edge.errors import BackendUnavailableError
from litepose_edge.estimator import Estimator
from litepose_edge.sources import FrameSource, SourceCounts
from litepose_edge.streaming import StreamResult

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
        sound: The film whose sound is kept in the saved one, or None.
    """

    save: Path | None
    json_file: Path | None
    print_json: bool
    show: bool
    sound: str | None = None


def predict_video(
    estimator: Estimator,
    source: str,
    opened: FrameSource,
    outputs: VideoOutputs,
    *,
    detect_every: int,
    smooth: bool,
) -> int:
    """Track people through a video or camera; return how many frames there were.

    Files appear under their names when the stream ends, also when it breaks off or is
    interrupted: the frames until then are in them.

    Args:
        estimator: Finds the people.
        source: As the user named it, for the results.
        opened: The same, opened.
        outputs: Where the results go.
        detect_every: Run the detector on every so many frames.
        smooth: Smooth the keypoints.

    Raises:
        SourceError: The source breaks off.
        OutputError: A file cannot be written.
        BackendUnavailableError: `show` without an OpenCV that has windows.
    """
    if outputs.show:
        check_windows()
    frames = 0
    stream = estimator.stream(opened, detect_every=detect_every, smooth=smooth)
    with contextlib.ExitStack() as stack:
        stack.callback(stream.close)  # type: ignore[attr-defined]
        video = outputs.save and stack.enter_context(
            film_writer(outputs.save, opened.fps, outputs.sound)
        )
        lines = stack.enter_context(_line_writer(outputs))
        progress = stack.enter_context(_progress_bar(opened.count, opened.counts))
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
        video(result.poses.draw(result.frame), result.timestamp_s)
    if lines is not None:
        document = {
            "source": source,
            "index": result.index,
            "timestamp_s": round(result.timestamp_s, 6),
            **result.poses.to_dict(),
        }
        lines(json.dumps(document, allow_nan=False) + "\n")


@contextlib.contextmanager
def _line_writer(outputs: VideoOutputs) -> Iterator[Any]:
    if outputs.json_file is None:
        yield results.file.write if outputs.print_json else None
        return
    with json_lines(outputs.json_file) as append:
        yield append


@contextlib.contextmanager
def _progress_bar(count: int | None, counts: SourceCounts) -> Iterator[Any]:
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
    rate = done / max(time.monotonic() - started, 1e-6)
    messages.print(f"{done} frames, {rate:.1f} a second{_counted(counts)}", markup=False)


def _counted(counts: SourceCounts) -> str:
    named = {
        "dropped": counts.dropped,
        "unreadable": counts.unreadable,
        "reconnected": counts.reconnected,
    }
    return "".join(f", {number} {what}" for what, number in named.items() if number)
