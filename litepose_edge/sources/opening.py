"""Opens anything that gives frames."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from litepose_edge.options import real_number
from litepose_edge.sources.animations import open_animation
from litepose_edge.sources.capture import (
    check_frame_size,
    claimed_frames,
    film_by_url,
    open_capture,
    open_video,
    rate_of,
)
from litepose_edge.sources.formats.picture_bytes import picture_format
from litepose_edge.sources.frames import ASSUMED_FPS, Frame, FrameSource, SourceCounts
from litepose_edge.sources.images import (
    check_max_pixels,
    first_bytes,
    list_images,
    read_image,
)
from litepose_edge.sources.inputs import Colour, check_colour, is_pil_image, read_input
from litepose_edge.sources.kinds import (
    Kind,
    camera_number,
    file_of_url,
    kind_of,
    without_password,
)
from litepose_edge.sources.live import LiveFrames, LiveOptions
from litepose_edge.sources.opencv_settings import Transport, ffmpeg_options

TIMEOUT_S = 30.0
# Thirty years; what waits for threads takes no more than some hundreds.
LONGEST_TIMEOUT_S = 1e9
# A driver writes a line on stderr for each.
CAMERA_FAILURES = 3
# Of these the stream itself says when a frame was taken.
CLOCKED_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "udp")
MOTION_JPEG = ("MJPG", "mjpg", "jpeg")

Source = int | str | PathLike[str] | Sequence[Any] | Iterable[Any] | FrameSource


def open_source(
    source: Source,
    *,
    max_pixels: int = 100_000_000,
    reconnect: bool | float = False,
    timeout_s: float | None = None,
    drop: bool | None = None,
    transport: Transport | None = None,
    low_latency: bool = False,
    colour: Colour = "bgr",
) -> FrameSource:
    """Open a source of frames.

    Args:
        source: An image, folder of images, glob pattern, animation or video file; a camera's
            number or device; a URL of a film or stream; any iterable of paths, PIL images and
            `(H, W, 3)` uint8 arrays; or an opened source.
        max_pixels: Larger images are refused before they are decoded.
        reconnect: Open a camera or stream again when it stops, with growing pauses: True for
            ever, a number for at most so many seconds.
        timeout_s: A camera or stream that gives no frame for longer has failed; 30 unless given.
        drop: Drop frames of a camera or stream that come faster than they are taken, as is done
            unless given; False makes it wait.
        transport: Of an RTSP camera: `"tcp"` loses nothing, `"udp"` does not wait for what is
            lost. Unless given, what the camera prefers.
        low_latency: Have FFmpeg, which opens URLs, buffer nothing: the picture is some tenths of
            a second younger, and may break up where the network reorders packets.
        colour: Order of the channels of an iterable's arrays; frames are BGR in any case.

    Raises:
        SourceError: There is no such source, or it cannot be opened.
        TypeError: It is nothing that frames can come from.
        ValueError: An option is out of range.
    """
    check_max_pixels(max_pixels)
    reconnect_s = _checked_reconnect(reconnect)
    if timeout_s is not None:
        timeout_s = _checked_timeout(timeout_s)
    if isinstance(source, FrameSource):
        if reconnect_s or transport is not None or low_latency or check_colour(colour) == "rgb":
            raise ValueError(
                "reconnect, transport, low_latency and colour are for open_source, which opened "
                "this source already"
            )
        return replace(
            source,
            timeout_s=source.timeout_s if timeout_s is None else timeout_s,
            drop=source.drop if drop is None else drop,
        )
    wait_s = TIMEOUT_S if timeout_s is None else timeout_s
    options = ffmpeg_options(transport, low_latency=low_latency)
    opened = _of_items(source, max_pixels, check_colour(colour))
    if opened is None:
        opened = _open(source, max_pixels, reconnect_s, wait_s, options)
    return replace(opened, drop=drop is not False)


def _of_items(source: Source, max_pixels: int, colour: Colour) -> FrameSource | None:
    """A source of the caller's own pictures; None if it is none."""
    if isinstance(source, str | bytes | bytearray):
        return None
    if isinstance(source, np.ndarray):
        if source.ndim != 3:
            raise TypeError(f"one frame is an (H, W, 3) array, got {source.shape}")
        source = [source]
    if isinstance(source, Sequence):
        return FrameSource("the list", _from_items(source, max_pixels, colour), count=len(source))
    if isinstance(source, Iterable):
        # Frames are decoded ahead, and many a generator fills the same array again and again.
        items = (item.copy() if isinstance(item, np.ndarray) else item for item in source)
        return FrameSource("the iterable", _from_items(items, max_pixels, colour))
    return None


def _open(
    source: Source, max_pixels: int, reconnect_s: float, wait_s: float, options: str | None
) -> FrameSource:
    if isinstance(source, bool | np.bool_):
        raise TypeError("a source is a path, a URL, a camera number or an iterable, not a bool")
    if isinstance(source, int | np.integer):
        number = camera_number(operator.index(source))
        return _camera(number, f"camera {number}", max_pixels, reconnect_s, wait_s)
    if isinstance(source, str | PathLike):
        return _open_named(fspath(source), max_pixels, reconnect_s, wait_s, options)
    raise TypeError(
        "a source is a path, a URL, a camera number or an iterable of frames, "
        f"not {type(source).__name__}"
    )


def _open_named(
    source: str, max_pixels: int, reconnect_s: float, wait_s: float, options: str | None
) -> FrameSource:
    match kind_of(source):
        case Kind.URL:
            file = file_of_url(source)
            if file is not None:
                return _open_named(file, max_pixels, reconnect_s, wait_s, options)
            return _by_url(source, max_pixels, reconnect_s, wait_s, options)
        case Kind.CAMERA if source.isdecimal():
            # Before int(), which refuses numbers of thousands of digits in its own way.
            number = camera_number(int(source[:20]))
            return _camera(number, f"camera {number}", max_pixels, reconnect_s, wait_s)
        case Kind.PIPELINE:
            return _camera(source, without_password(source), max_pixels, reconnect_s, wait_s)
        case Kind.CAMERA:
            return _camera(source, f"camera {source}", max_pixels, reconnect_s, wait_s)
        case Kind.VIDEO:
            return open_video(Path(source), wait_s, max_pixels)
        case Kind.ANIMATION:
            path = Path(source)
            if picture_format(first_bytes(path)) in ("gif", "png"):
                return open_video(path, wait_s, max_pixels)
            return open_animation(path, max_pixels)
    files = list_images(source)
    return FrameSource(source, _from_items(files, max_pixels), count=len(files))


def is_video(source: str) -> bool:
    """Whether a source named on a command line is a video, camera or stream, not images.

    Raises:
        SourceError: It lies there and gives no frames, or is a malformed URL.
    """
    kind = kind_of(source)
    if kind is Kind.URL:
        file = file_of_url(source)
        return file is None or is_video(file)
    return kind is not Kind.IMAGES


def _from_items(items: Iterable[Any], max_pixels: int, colour: Colour = "bgr") -> Iterator[Frame]:
    for index, item in enumerate(items):
        timestamp_s = index / ASSUMED_FPS
        if isinstance(item, str | PathLike):
            image = read_image(item, max_pixels=max_pixels)
            yield Frame(image, index, timestamp_s, fspath(item))
        elif is_pil_image(item) or colour == "rgb":
            yield Frame(read_input(item, colour=colour, max_pixels=max_pixels), index, timestamp_s)
        else:
            yield Frame(item, index, timestamp_s)


def _camera(
    source: int | str, name: str, max_pixels: int, reconnect_s: float, wait_s: float
) -> FrameSource:
    capture = open_capture(source, name, wait_s)
    check_frame_size(capture, name, max_pixels)
    options = LiveOptions(
        name,
        rate_of(capture),
        wait_s,
        reconnect_s,
        max_pixels,
        own_clock=False,
        failures_in_a_row=CAMERA_FAILURES,
    )
    return _live(source, capture, options)


def _by_url(
    url: str, max_pixels: int, reconnect_s: float, wait_s: float, capture_options: str | None
) -> FrameSource:
    name = without_password(url)
    capture = open_capture(url, name, wait_s, capture_options)
    check_frame_size(capture, name, max_pixels)
    # What knows its length is a film on a server, which waits for its reader.
    if claimed_frames(capture) is not None:
        return film_by_url(capture, url, name, wait_s, max_pixels)
    clocked = url.lower().startswith(tuple(f"{scheme}://" for scheme in CLOCKED_SCHEMES))
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    # A series of JPEGs has no times: the reader makes up 25 a second.
    own_clock = clocked or code.to_bytes(4, "little").decode("latin-1") not in MOTION_JPEG
    options = LiveOptions(name, rate_of(capture), wait_s, reconnect_s, max_pixels, own_clock)
    return _live(url, capture, options, capture_options)


def _live(
    source: int | str,
    capture: cv2.VideoCapture,
    options: LiveOptions,
    capture_options: str | None = None,
) -> FrameSource:
    counts = SourceCounts()
    frames = LiveFrames(
        capture,
        lambda: open_capture(source, options.name, options.timeout_s, capture_options),
        options,
        counts,
    )
    # The reading thread speaks first; this is for a driver that never comes back.
    longest_s = options.timeout_s + options.reconnect_s + 2
    return FrameSource(
        options.name,
        frames,
        live=True,
        fps=options.fps,
        timeout_s=longest_s if math.isfinite(longest_s) else None,
        counts=counts,
    )


def _checked_reconnect(reconnect: bool | float) -> float:
    """Seconds to go on trying: 0 never, infinity for ever."""
    if isinstance(reconnect, bool):
        return math.inf if reconnect else 0.0
    seconds = real_number("reconnect", reconnect, 0)
    return seconds if seconds <= LONGEST_TIMEOUT_S else math.inf


def _checked_timeout(timeout_s: float) -> float:
    seconds = real_number("timeout_s", timeout_s, 0)
    if not 0 < seconds < math.inf:
        raise ValueError(f"timeout_s must be a finite number above 0, got {timeout_s!r:.100}")
    return min(seconds, LONGEST_TIMEOUT_S)
