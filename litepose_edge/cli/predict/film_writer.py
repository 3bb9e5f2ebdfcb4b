"""Writes a film that lasts as long as what was seen: frames with times become a constant rate."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.atomic_files import NewFile
from litepose_edge.errors import BackendUnavailableError, OutputError, install_hint
from litepose_edge.sources.formats.video_bytes import is_cut

Image = NDArray[np.uint8]

H264 = "avc1"
# What browsers play, where this OpenCV or PyAV can write it; then what every OpenCV can.
FILM_CODECS = {
    ".mp4": (H264, "mp4v"),
    ".m4v": (H264, "mp4v"),
    ".mov": (H264, "mp4v"),
    ".mkv": (H264, "mp4v"),
    ".avi": ("MJPG",),
}
SLOWEST_RATE, FASTEST_RATE = 1.0, 600.0
# MPEG-4 counts the ticks of a second in 16 bits.
MOST_TICKS = 65_535
# A longer gap, as while a camera is away, is shortened to this.
LONGEST_GAP_S = 60.0
DISK_FULL_BYTES, LOOK_EVERY_S = 1 << 16, 1.0
# Of a longer film only length and end are looked at.
PIXELS_DECODED_AGAIN = 4_000_000_000


class Encoder(Protocol):
    """Turns frames of one size into a file."""

    def write(self, image: Image) -> None:
        """Append a frame."""

    def close(self) -> None:
        """Write what is left."""


def film_rate(fps: float) -> float:
    """The nearest rate that every encoder takes."""
    rate = min(max(fps, SLOWEST_RATE), FASTEST_RATE)
    decimals = next(d for d in (3, 2, 1, 0) if rate * 10**d <= MOST_TICKS)
    return round(rate, decimals)


class FilmWriter:
    """A film that appears under its name when it is finished and found whole.

    Args:
        path: Its suffix chooses the container.
        fps: Frames a second, rounded to what encoders take.
        sound: A film whose sound is kept.

    Raises:
        OutputError: The suffix is none of a film, or the place cannot be written.
        BackendUnavailableError: Sound, and PyAV is not installed.
    """

    def __init__(self, path: Path, fps: float, sound: str | None = None) -> None:
        if path.suffix.lower() not in FILM_CODECS:
            raise OutputError(
                f"cannot save a video as {path}: give a name ending in {', '.join(FILM_CODECS)}"
            )
        self.path, self.rate = path, film_rate(fps)
        if sound is not None:
            _check_sound(path)
        self._sound = sound
        self._file = NewFile(path)
        self._partial = self._file.release()
        self._encoder: Encoder | None = None
        self._size = (0, 0)
        self._began_s = 0.0
        self._written = 0
        self._newest: Image | None = None
        self._looked = time.monotonic()

    def append(self, image: Image, timestamp_s: float) -> None:
        """Show a frame from its time on: the one before is repeated until then.

        A frame that comes before the time of the last written one is over is left out.

        Raises:
            OutputError: There is no encoder, or the disk is full; nothing is left.
        """
        before = self._written
        try:
            if self._encoder is None:
                self._size, self._began_s = (image.shape[1], image.shape[0]), timestamp_s
                self._encoder = self._open_encoder()
            image = _fitted(image, self._size)
            gap = round((timestamp_s - self._began_s) * self.rate) - self._written
            longest = round(LONGEST_GAP_S * self.rate)
            if gap > longest:
                self._began_s += (gap - longest) / self.rate
                gap = longest
            for _ in range(gap):
                self._write(image if self._newest is None else self._newest)
            if gap >= 0:
                self._write(image)
            self._newest = image
        except Exception:
            self.discard()
            raise
        except BaseException:
            # Ctrl-C or a signal, anywhere in between: the frames before this one are there.
            self._written = before
            raise

    def finish(self) -> None:
        """Give the film its name, if it holds what was written; nothing where nothing was.

        Raises:
            OutputError: It does not, as on a full disk; nothing is left and an older file stays.
        """
        if self._file.discarded:
            return
        if self._encoder is None or not self._written:
            self.discard()
            return
        try:
            self._encoder.close()
            self._check_whole()
        except BaseException:
            self._encoder = None
            self.discard()
            raise
        self._file.commit()

    def discard(self) -> None:
        """Leave nothing behind."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            with contextlib.suppress(OutputError):
                encoder.close()
        self._file.discard()

    def _open_encoder(self) -> Encoder:
        codecs = FILM_CODECS[self.path.suffix.lower()]
        if H264 in codecs:
            with contextlib.suppress(ImportError):
                from litepose_edge.cli.predict.h264 import H264Encoder

                return H264Encoder(
                    self._partial,
                    self.path,
                    self.rate,
                    self._size,
                    sound=self._sound,
                    sound_from_s=self._began_s,
                )
        for codec in codecs:
            code = cv2.VideoWriter.fourcc(*codec)
            # What OpenCV and FFmpeg say of a codec that is not there would read like a failure.
            with _quiet_stderr():
                writer = cv2.VideoWriter(str(self._partial), code, self.rate, self._size)
            if writer.isOpened():
                return _OpenCvEncoder(writer, self.path)
        width, height = self._size
        raise OutputError(
            f"cannot write {self.path}: this OpenCV has no encoder for {width}x{height} frames"
        )

    def _write(self, image: Image) -> None:
        assert self._encoder is not None
        self._encoder.write(image)
        self._written += 1
        now = time.monotonic()
        if now - self._looked > LOOK_EVERY_S:
            self._looked = now
            self._check_place()

    def _check_place(self) -> None:
        """OpenCV's encoders do not say that a disk is full, or that the folder has vanished."""
        try:
            self._partial.stat()
            free = shutil.disk_usage(self._partial.parent).free
        except OSError as exc:
            raise OutputError(f"cannot write {self.path}: {exc.strerror}") from exc
        if free < DISK_FULL_BYTES:
            raise OutputError(f"cannot write {self.path}: the disk is full")

    def _check_whole(self) -> None:
        try:
            with self._partial.open("r+b") as file:
                os.fsync(file.fileno())
            whole = not is_cut(self._partial)
        except OSError as exc:
            raise OutputError(f"cannot write {self.path}: {exc.strerror}") from exc
        pixels = self._size[0] * self._size[1] * self._written
        if not whole or not _holds(self._partial, self._written, pixels <= PIXELS_DECODED_AGAIN):
            raise OutputError(
                f"cannot write {self.path}: the file does not hold the {self._written} frames "
                "written into it; is the disk full?"
            )


@contextlib.contextmanager
def film_writer(
    path: Path, fps: float, sound: str | None = None
) -> Iterator[Callable[[Image, float], None]]:
    """A function that appends a frame with its time; the film is finished when the block ends.

    When the block breaks off, the frames until then are kept.

    Raises:
        OutputError: It cannot be written.
    """
    film = FilmWriter(path, fps, sound)
    try:
        yield film.append
    finally:
        film.finish()


def _check_sound(path: Path) -> None:
    if H264 not in FILM_CODECS[path.suffix.lower()]:
        raise OutputError(f"cannot keep the sound in {path}: give a name ending in .mp4 or .mkv")
    try:
        importlib.import_module("litepose_edge.cli.predict.h264")
    except ImportError as exc:
        raise BackendUnavailableError(
            f"keeping the sound needs PyAV, which is not installed. {install_hint('video')}"
        ) from exc


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Nothing of native code reaches stderr meanwhile; opening an encoder takes milliseconds."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # no stderr: nothing to keep quiet
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class _OpenCvEncoder:
    def __init__(self, writer: cv2.VideoWriter, path: Path) -> None:
        self._writer, self._path = writer, path

    def write(self, image: Image) -> None:
        try:
            self._writer.write(image)
        except cv2.error as exc:
            raise OutputError(f"cannot write {self._path}: {exc.err}") from exc

    def close(self) -> None:
        self._writer.release()


def _fitted(image: Image, size: tuple[int, int]) -> Image:
    """A frame in the middle of one of the film's size: a stream may change its size."""
    width, height = size
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    film = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    film[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner)
    return film


def _holds(path: Path, frames: int, decode_all: bool) -> bool:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            return False
        if not decode_all:
            claimed = capture.get(cv2.CAP_PROP_FRAME_COUNT)
            capture.set(cv2.CAP_PROP_POS_FRAMES, frames - 1)
            return bool(claimed >= frames - 1 and capture.grab())
        return all(capture.grab() for _ in range(frames))
    finally:
        capture.release()
