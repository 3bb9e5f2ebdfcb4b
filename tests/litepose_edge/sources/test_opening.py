"""Sources are what opens: by content and not by name, within seconds and within memory."""

from __future__ import annotations

import functools
import http.server
import io
import os
import socket
import struct
import threading
import time
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from litepose_edge.errors import SourceError
from litepose_edge.sources import is_video, open_source
from litepose_edge.sources.formats.video_bytes import is_cut, promised_frames
from litepose_edge.sources.kinds import Kind, camera_number, kind_of, without_password

FRAMES = 24
CODES = {
    ".mp4": "mp4v",
    ".mkv": "mp4v",
    ".avi": "MJPG",
    ".ts": "mp4v",
    ".webm": "VP80",
    ".flv": "FLV1",
    ".wmv": "WMV2",
    ".ogv": "VP80",
}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """One film in each container, 24 frames that grow brighter, 10 a second."""
    folder = tmp_path_factory.mktemp("films")
    for suffix, code in CODES.items():
        path = str(folder / f"film{suffix}")
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*code), 10, (64, 48))
        for n in range(FRAMES):
            writer.write(np.full((48, 64, 3), 10 * n, np.uint8))
        writer.release()
    return folder


def animation(path, pictures, **options):
    pillow = pytest.importorskip("PIL.Image")
    frames = [pillow.fromarray(np.full((48, 64, 3), 10 * n, np.uint8)) for n in range(pictures)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, **options)
    return path


def seen_in(source):
    return [frame.image.shape for frame in open_source(source).frames]


NAMES = """
rec 12:30:05.mp4
a:b.mp4
concat:a|b.mp4
pipe:0
img_001.mp4
clip.jpg
[1]*.mp4
no suffix
100%d.mp4
фильм.mp4
0
"""


@pytest.mark.parametrize("name", NAMES.strip().splitlines())
def test_a_film_is_read_whatever_its_name(films, tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes((films / "film.mp4").read_bytes())
    assert seen_in(tmp_path / name) == [(48, 64, 3)] * FRAMES
    monkeypatch.chdir(tmp_path)
    assert is_video(name)
    assert len(seen_in(name)) == FRAMES


@pytest.mark.parametrize("suffix", CODES)
def test_a_whole_film_ends_without_error_and_a_cut_one_with_one(films, tmp_path, suffix):
    whole = films / f"film{suffix}"
    assert not is_cut(whole)
    assert len(seen_in(whole)) == FRAMES
    cut = tmp_path / f"cut{suffix}"
    # Not between two packets of a transport stream: there it cannot be told.
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.7) | 1])
    assert is_cut(cut)
    with pytest.raises(SourceError, match="truncated"):
        seen_in(cut)


def test_a_duration_longer_than_the_pictures_is_no_damage(films, tmp_path):
    content = bytearray((films / "film.mkv").read_bytes())
    place = content.find(b"\x44\x89\x88") + 3
    content[place : place + 8] = struct.pack(">d", 60_000.0)
    (tmp_path / "long.mkv").write_bytes(content)
    source = open_source(tmp_path / "long.mkv")
    assert source.count > 10 * FRAMES
    assert len(list(source.frames)) == FRAMES


def test_the_index_of_an_mp4_is_a_promise_and_bytes_behind_a_film_are_not(films, tmp_path):
    assert promised_frames(films / "film.mp4") == FRAMES
    assert promised_frames(films / "film.mkv") is None
    content = bytearray((films / "film.mp4").read_bytes())
    for trailer in (bytes(100), b"SEFH and the text of a phone", b"\xff\xff\xff\xffmore"):
        (tmp_path / "more.mp4").write_bytes(content + trailer)
        assert len(seen_in(tmp_path / "more.mp4")) == FRAMES
    place = content.find(b"mdat") + 4
    content[place + 400 : content.find(b"moov") - 4] = bytes(content.find(b"moov") - place - 404)
    (tmp_path / "holes.mp4").write_bytes(content)
    with pytest.raises(SourceError, match=r"holes\.mp4"):
        seen_in(tmp_path / "holes.mp4")


def with_garbage(path, out, bad):
    """A film of JPEGs in which some are no JPEGs."""
    content, place, n = bytearray(path.read_bytes()), 0, 0
    while (place := content.find(b"00dc", place)) >= 0 and n < FRAMES:
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        if n in bad:
            content[place + 8 : place + 8 + length] = bytes(length)
        place, n = place + 8 + length, n + 1
    out.write_bytes(content)
    return out


def test_a_film_goes_on_behind_a_frame_that_cannot_be_decoded(films, tmp_path):
    source = open_source(with_garbage(films / "film.avi", tmp_path / "one.avi", {7}))
    frames = list(source.frames)
    assert len(frames) == FRAMES - 1
    assert frames[-1].index == FRAMES - 1
    assert source.counts.unreadable == 1
    source = open_source(with_garbage(films / "film.avi", tmp_path / "many.avi", range(7, 15)))
    got = []
    with pytest.raises(SourceError, match=r"many\.avi is damaged: 8 of 24"):
        got.extend(f.index for f in source.frames)
    assert (len(got), got[-1]) == (FRAMES - 8, FRAMES - 1)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.avif"])
def test_animated_pictures_give_all_their_pictures_with_their_times(tmp_path, name):
    if name == "a.avif" and not pytest.importorskip("PIL.features").check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    path = animation(tmp_path / name, 9)
    assert is_video(str(path))
    frames = list(open_source(path).frames)
    assert [f.index for f in frames] == list(range(9))
    assert [f.timestamp_s for f in frames] == pytest.approx([n / 10 for n in range(9)], abs=0.02)
    assert frames[0].image.mean() < frames[-1].image.mean()
    still = animation(tmp_path / f"still_{name}", 1)
    assert not is_video(str(still))
    assert len(seen_in(still)) == 1


def test_a_cut_gif_gives_its_whole_pictures_and_then_the_error(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (10, 48, 64, 3), dtype=np.uint8)
    pillow = pytest.importorskip("PIL.Image")
    frames, file = [pillow.fromarray(n) for n in noise], io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=100)
    path = tmp_path / "cut.gif"
    path.write_bytes(file.getvalue()[: len(file.getvalue()) * 6 // 10])
    got = []
    with pytest.raises(SourceError, match="truncated"):
        got.extend(open_source(path).frames)
    assert 3 <= len(got) <= 6


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("name", ["pipe", "pipe.mp4", "pipe.jpg"])
def test_a_named_pipe_is_an_error_within_a_second(tmp_path, name):
    os.mkfifo(tmp_path / name)
    began = time.monotonic()
    for attempt in (lambda s: list(open_source(s).frames), lambda s: is_video(str(s))):
        with pytest.raises(SourceError, match="named pipe"):
            attempt(tmp_path / name)
    with pytest.raises(SourceError):
        list(open_source([tmp_path / name]).frames)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/null"])
def test_a_device_without_end_is_an_error_within_memory(device):
    if not Path(device).exists():
        pytest.skip("no such device here")
    tracemalloc.start()
    with pytest.raises(SourceError, match="no camera"):
        open_source(device)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["a.mp4", "a.jpg", "nothing"])
def test_an_empty_file_is_an_error_before_it_is_opened(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(SourceError, match=f"{name} is empty"):
        open_source(tmp_path / name)


@pytest.mark.skipif(not Path("/proc/kmsg").exists(), reason="a file of Linux that waits for ever")
def test_a_file_of_the_kernel_that_waits_for_ever_is_not_opened():
    with pytest.raises(SourceError, match="empty"):
        open_source("/proc/kmsg")


@pytest.mark.parametrize("name", ["a.txt", "a.nfo", "a.ans", "a.bin", "a.idf", "a.md", "a.mp4"])
def test_a_text_is_no_video_and_a_film_of_such_a_name_is_one(films, tmp_path, name):
    (tmp_path / name).write_text("no film, but many words\n" * 200)
    with pytest.raises(SourceError, match=f"cannot open .*{name}"):
        open_source(tmp_path / name)
    (tmp_path / name).write_bytes((films / "film.mkv").read_bytes())
    assert len(seen_in(tmp_path / name)) == FRAMES


@pytest.mark.parametrize("number", ["9" * 20, "1" + "0" * 5000, "123456", 10**20, -1, -5])
def test_numbers_of_no_camera_are_a_source_error_at_once(number):
    with pytest.raises(SourceError, match="no camera"):
        open_source(number)
    assert camera_number(0) == 0


def test_camera_devices_are_cameras_also_by_their_ids(monkeypatch, tmp_path):
    monkeypatch.setattr("litepose_edge.sources.kinds.is_camera_device", lambda path: True)
    by_id = tmp_path / "usb-Some:Camera-video-index0"
    by_id.symlink_to("/dev/null")
    assert kind_of(str(by_id)) is Kind.CAMERA
    assert is_video(str(by_id))
    monkeypatch.undo()
    with pytest.raises(SourceError, match="no such camera: /dev/video987"):
        open_source("/dev/video987")
    assert kind_of("3") is Kind.CAMERA
    assert kind_of("٣") is Kind.IMAGES


def test_a_file_url_is_a_file_and_no_password_is_printed(films, tmp_path):
    (tmp_path / "a film.mp4").write_bytes((films / "film.mp4").read_bytes())
    source = open_source((tmp_path / "a film.mp4").as_uri())
    assert not source.live
    assert len(list(source.frames)) == FRAMES
    assert without_password("rtsp://me:secret@host:554/1?a=b@c") == "rtsp://host:554/1?a=b@c"
    with pytest.raises(SourceError, match=r"127\.0\.0\.1") as caught:
        open_source("http://me:secret@127.0.0.1:9/film.mp4")
    assert "secret" not in str(caught.value)


@pytest.fixture
def server(films):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(films))
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_film_on_a_server_loses_no_frame(server, suffix):
    source = open_source(f"{server}/film{suffix}")
    assert not source.live
    assert len(list(source.frames)) == FRAMES


def test_a_server_that_never_answers_times_out():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        began = time.monotonic()
        with pytest.raises(SourceError, match="cannot open"):
            open_source(f"http://127.0.0.1:{deaf.getsockname()[1]}/film.mp4", timeout_s=0.5)
        assert time.monotonic() - began < 3


def test_a_film_whose_server_breaks_off_is_an_error(films):
    content = (films / "film.mkv").read_bytes()

    class Breaks(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            asked = self.headers.get("Range", "bytes=0-").partition("=")[2].partition("-")[0]
            begin = int(asked)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            # The first connection is lost in the middle, later ones are whole.
            self.server.asked += 1
            end = len(content) // 2 if self.server.asked == 1 else len(content)
            self.wfile.write(content[begin:end])

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Breaks)
    server.asked = 0
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        with pytest.raises(SourceError, match="connection was lost"):
            list(open_source(f"http://127.0.0.1:{server.server_port}/film.mkv").frames)
    finally:
        server.shutdown()
        server.server_close()


def test_frames_of_too_many_pixels_are_refused_before_one_is_decoded(films):
    with pytest.raises(SourceError, match="max_pixels"):
        open_source(films / "film.mp4", max_pixels=64 * 48 - 1)
    assert len(list(open_source(films / "film.mp4", max_pixels=64 * 48).frames)) == FRAMES


@pytest.mark.parametrize(
    "options",
    [
        *({"timeout_s": value} for value in (0, -1, float("nan"), 10**400, "3", True, [2])),
        *({"reconnect": value} for value in (-1, float("nan"), "yes", [1])),
        {"max_pixels": float("nan")},
    ],
)
def test_options_out_of_range_are_refused(films, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        open_source(films / "film.mp4", **options)
    assert open_source(films / "film.mp4", timeout_s=1e300).fps == pytest.approx(10)


@pytest.mark.parametrize("url", ["http://[::1/x.jpg", "file://[::1/x.mp4", "rtsp://[cam/1"])
def test_a_malformed_url_is_a_typed_error(url):
    for opened in (is_video, open_source):
        with pytest.raises(SourceError, match="is no URL"):
            opened(url)
