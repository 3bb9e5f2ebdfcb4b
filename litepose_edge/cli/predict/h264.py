"""Encodes H.264 by PyAV, with the sound of another film beside it (extra `video`)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
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
        sound: A film whose sound is copied, from `sound_from_s` on; None leaves it silent.

    Raises:
        OutputError: The place cannot be written, or the sound does not fit into such a file.
    """

    def __init__(
        self,
        path: Path,
        name: Path,
        rate: float,
        size: tuple[int, int],
        *,
        sound: str | None = None,
        sound_from_s: float = 0.0,
    ) -> None:
        self._name, self._rate, self._written = name, rate, 0
        self._width, self._height = max(size[0] & ~1, 2), max(size[1] & ~1, 2)
        try:
            self._film = av.open(str(path), "w", format=FORMATS.get(path.suffix.lower(), "mp4"))
            exact = Fraction(rate).limit_denominator(1000)
            stream = self._film.add_stream(CODEC, rate=exact, options=dict(OPTIONS))
            assert isinstance(stream, av.VideoStream)
            self._stream = stream
            self._stream.width, self._stream.height = self._width, self._height
            self._stream.pix_fmt = "yuv420p"
            self._sound = None if sound is None else _Sound(sound, sound_from_s, self._film)
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
                if self._sound is not None:
                    self._sound.close()
            except (OSError, ValueError, av.FFmpegError) as exc:
                raise OutputError(f"cannot write {self._name}: {_reason(exc)}") from exc

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._film.mux(packet)
            self._written += frame is not None
            if self._sound is not None:
                self._sound.copy_until(self._written / self._rate)
        except (OSError, ValueError, av.FFmpegError) as exc:
            raise OutputError(f"cannot write {self._name}: {_reason(exc)}") from exc


class _Sound:
    """Copies the sound of one film into another, as far as that has got."""

    def __init__(self, source: str, from_s: float, film: OutputContainer) -> None:
        self._film, self._source = film, av.open(source)
        self._packets: Iterator[av.Packet[Any]] = iter(())
        self._held: av.Packet[Any] | None = None
        if not self._source.streams.audio:
            return
        audio = self._source.streams.audio[0]
        pictures = self._source.streams.video[0]
        # Times of frames count from the first picture, which may come later than the sound.
        began_s = float((pictures.start_time or 0) * (pictures.time_base or 1)) + from_s
        self._stream = film.add_stream_from_template(audio)
        self._shift = round(began_s / audio.time_base) if audio.time_base else 0
        self._packets = self._source.demux(audio)

    def copy_until(self, seconds: float) -> None:
        while True:
            packet = self._held or next(self._packets, None)
            self._held = None
            if packet is None:
                return
            # The last one of a film is empty.
            if packet.pts is None or packet.pts < self._shift:
                continue
            if (packet.pts - self._shift) * packet.time_base >= seconds:
                self._held = packet
                return
            packet.pts -= self._shift
            if packet.dts is not None:
                packet.dts -= self._shift
            packet.stream = self._stream
            self._film.mux(packet)

    def close(self) -> None:
        self._source.close()


def _reason(exc: Exception) -> str:
    return exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
