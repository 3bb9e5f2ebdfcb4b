"""Encodes H.264 by PyAV; imported only where a film is written (extra `video`)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import OutputError

CODEC = "libx264"
FORMATS = {".mkv": "matroska", ".mov": "mov"}
# The quickest preset leaves a board's CPUs to the networks (half the CPU time of "veryfast"); at
# this quality nothing of the picture is lost to the eye.
OPTIONS = {"preset": "ultrafast", "crf": "18"}

if CODEC not in av.codecs_available:
    raise ImportError(f"this PyAV was built without {CODEC}")


class H264Encoder:
    """Frames of one size into an H.264 film.

    Args:
        path: Where to; the suffix chooses the container.
        name: What it is called in messages.
        rate: Frames a second.
        size: Width and height; an odd last column or row is left out.

    Raises:
        OutputError: The place cannot be written.
    """

    def __init__(self, path: Path, name: Path, rate: float, size: tuple[int, int]) -> None:
        self._name = name
        self._width, self._height = max(size[0] & ~1, 2), max(size[1] & ~1, 2)
        try:
            self._film = av.open(str(path), "w", format=FORMATS.get(path.suffix.lower(), "mp4"))
            exact = Fraction(rate).limit_denominator(1000)
            stream = self._film.add_stream(CODEC, rate=exact, options=dict(OPTIONS))
            assert isinstance(stream, av.VideoStream)
            self._stream = stream
            self._stream.width, self._stream.height = self._width, self._height
            self._stream.pix_fmt = "yuv420p"
        except (OSError, ValueError, av.FFmpegError) as exc:
            raise OutputError(f"cannot write {name}: {_reason(exc)}") from exc

    def write(self, image: NDArray[np.uint8]) -> None:
        """Append a `(H, W, 3)` uint8 BGR frame.

        Raises:
            OutputError: It cannot be written, as on a full disk.
        """
        if image.shape[0] < self._height or image.shape[1] < self._width:  # one pixel wide or high
            image = np.resize(image, (self._height, self._width, 3))
        even = np.ascontiguousarray(image[: self._height, : self._width])
        self._mux(av.VideoFrame.from_ndarray(even, format="bgr24"))

    def close(self) -> None:
        """Write what the encoder still holds.

        Raises:
            OutputError: It cannot be written.
        """
        try:
            self._mux(None)
        finally:
            try:
                self._film.close()
            except (OSError, ValueError, av.FFmpegError) as exc:
                raise OutputError(f"cannot write {self._name}: {_reason(exc)}") from exc

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._film.mux(packet)
        except (OSError, ValueError, av.FFmpegError) as exc:
            raise OutputError(f"cannot write {self._name}: {_reason(exc)}") from exc


def _reason(exc: Exception) -> str:
    return exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
