"""Cameras and streams: what stops is an error or is connected again, garbage is counted."""

from __future__ import annotations

import http.server
import threading
import time

import cv2
import numpy as np
import pytest

from litepose_edge import Estimator
from litepose_edge.errors import SourceError
from litepose_edge.sources import Frame, FrameSource, Reader, SourceCounts, open_source, opening
from litepose_edge.sources import live as live_module
from litepose_edge.sources.live import LiveFrames, LiveOptions

GREY = np.full((48, 64, 3), 90, np.uint8)


class FakeCapture:
    """Gives what it is told to: a picture, None for one that cannot be decoded; then it stops."""

    def __init__(self, pictures, position_ms=None, forever=None):
        self.pictures, self.position_ms, self.forever = list(pictures), position_ms, forever
        self.released, self.read = False, 0

    def grab(self):
        if self.pictures:
            self.current = self.pictures.pop(0)
            self.read += 1
            return self.current != "lost" if isinstance(self.current, str) else True
        self.current = self.forever
        return self.forever is not None

    def retrieve(self):
        if isinstance(self.current, str):
            return False, None
        return True, self.current

    def get(self, key):
        return 40.0 * (self.read - 1)

    def release(self):
        self.released = True


def live_frames(captures, *, reconnect_s=0.0, own_clock=True, timeout_s=0.2):
    """The frames of captures that are opened one after the other; a None cannot be opened."""
    waiting, counts = list(captures[1:]), SourceCounts()

    def reopen():
        found = waiting.pop(0) if waiting else None
        if found is None:
            raise SourceError("not there")
        return found

    options = LiveOptions("the camera", 25.0, timeout_s, reconnect_s, 10_000, own_clock)
    return LiveFrames(captures[0], reopen, options, counts), counts


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(live_module, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(live_module, "LONGEST_DELAY_S", 0.05)


def test_a_camera_that_stops_is_an_error_after_its_last_frame():
    frames, _ = live_frames([FakeCapture([GREY] * 5)])
    got = []
    with pytest.raises(SourceError, match="the camera stopped after 5 frames"):
        got.extend(frames)
    assert [f.index for f in got] == list(range(5))
    assert [f.timestamp_s for f in got] == pytest.approx([n / 25 for n in range(5)])


def test_pictures_that_cannot_be_decoded_are_counted_and_the_others_given():
    garbage = ["garbage", GREY, "lost", "garbage", GREY, "lost", "lost", GREY]
    frames, counts = live_frames([FakeCapture([GREY, *garbage])])
    got = []
    with pytest.raises(SourceError):
        got.extend(frames)
    assert (len(got), counts.unreadable) == (4, 5)


def test_garbage_without_end_is_a_stall():
    frames, counts = live_frames([FakeCapture([GREY], forever="garbage")])
    next(frames)
    began = time.monotonic()
    with pytest.raises(SourceError, match="stopped"):
        next(frames)
    assert time.monotonic() - began < 2
    assert counts.unreadable > 10


@pytest.mark.usefixtures("quick")
def test_a_lost_camera_is_opened_again_and_the_times_show_the_gap():
    captures = [FakeCapture([GREY] * 3), None, None, FakeCapture([GREY] * 3)]
    frames, counts = live_frames(captures, reconnect_s=float("inf"))
    got = [next(frames) for _ in range(6)]
    times = [f.timestamp_s for f in got]
    assert [f.index for f in got] == list(range(6))
    assert times == sorted(times)
    assert times[3] - times[2] >= 0.09
    assert times[5] - times[3] == pytest.approx(2 / 25)
    assert counts.reconnected == 1
    assert captures[0].released
    frames.close()
    assert captures[3].released


@pytest.mark.usefixtures("quick")
def test_a_capture_is_not_released_while_it_is_read():
    """FFmpeg's memory would be freed under the thread that is in it."""
    inside, go_on = threading.Event(), threading.Event()

    class Stalled(FakeCapture):
        def grab(self):
            if self.read:
                inside.set()
                assert go_on.wait(5)
                assert not self.released
            return super().grab()

    capture = Stalled([GREY] * 3)
    frames, _ = live_frames([capture])
    next(frames)
    reader = threading.Thread(target=lambda: list(frames))
    reader.start()
    assert inside.wait(5)
    frames.close()
    assert not capture.released
    go_on.set()
    reader.join(5)
    assert capture.released
    frames.close()


@pytest.mark.usefixtures("quick")
def test_after_so_many_seconds_it_gives_up():
    frames, _ = live_frames([FakeCapture([GREY])], reconnect_s=0.2)
    next(frames)
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"did not come back within 0\.2 s"):
        next(frames)
    assert 0.15 < time.monotonic() - began < 2


@pytest.mark.usefixtures("quick")
def test_a_stream_that_opens_and_gives_nothing_is_asked_less_and_less_often():
    frames, counts = live_frames([FakeCapture([GREY])] + [FakeCapture([])] * 99, reconnect_s=0.5)
    next(frames)
    with pytest.raises(SourceError, match="did not come back"):
        next(frames)
    assert counts.reconnected <= 0.5 / 0.05 + 3


@pytest.mark.parametrize(("seconds", "timeout_s"), [(10, 42), (1e10, None), (1e300, None)])
def test_a_wait_longer_than_threads_can_wait_is_for_ever(seconds, timeout_s, monkeypatch):
    monkeypatch.setattr(opening, "open_capture", lambda *given: FakeCapture([GREY] * 3))
    source = open_source(0, reconnect=seconds)
    assert source.timeout_s == timeout_s
    reader = Reader(source)
    assert next(iter(reader)).index < 3
    reader.close()


def test_closing_ends_the_wait_for_a_lost_camera():
    frames, counts = live_frames([FakeCapture([GREY])], reconnect_s=float("inf"))
    source = FrameSource("the camera", frames, live=True, counts=counts)
    reader = Reader(source)
    next(iter(reader))
    time.sleep(0.05)
    began = time.monotonic()
    reader.close()
    assert time.monotonic() - began < 0.4


def test_a_stall_times_out_even_where_a_driver_hangs():
    def hangs():
        yield Frame(GREY, 0, 0.0)
        time.sleep(3)

    with Estimator(threads=1, detector=lambda frame: []) as estimator:
        source = FrameSource("the camera", hangs(), live=True)
        began = time.monotonic()
        got = []
        with pytest.raises(SourceError, match=r"no frame came for 0\.3 s"):
            got.extend(estimator.stream(source, timeout_s=0.3))
    assert len(got) == 1
    assert time.monotonic() - began < 2


def test_a_slow_file_and_a_slow_consumer_are_no_stall():
    def slow():
        for n in range(3):
            time.sleep(0.1)
            yield Frame(GREY, n, n / 10)

    for live in (False, True):
        reader = Reader(FrameSource("it", slow(), live=live, timeout_s=0.05 if not live else 0.5))
        for _ in reader:
            time.sleep(0.15)


def test_a_live_source_waits_where_nothing_may_be_dropped():
    def frames():
        for n in range(30):
            yield Frame(GREY, n, n / 30)

    source = open_source(FrameSource("it", frames(), live=True), drop=False)
    reader = Reader(source)
    time.sleep(0.05)
    assert [f.index for f in reader] == list(range(30))
    assert source.counts.dropped == 0


def test_a_source_that_is_open_already_cannot_be_made_to_reconnect():
    source = FrameSource("it", iter([]), live=True)
    with pytest.raises(ValueError, match="open_source"):
        open_source(source, reconnect=True)
    assert open_source(source).frames is source.frames


class Camera(http.server.BaseHTTPRequestHandler):
    """Ten JPEGs a connection; the server counts the connections, and stalls from `stall_at` on."""

    jpeg = cv2.imencode(".jpg", GREY)[1].tobytes()

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path.endswith(".jpg"):
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(self.jpeg)))
            self.end_headers()
            self.wfile.write(self.jpeg)
            return
        self.server.connections += 1
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(self.jpeg)}\r\n\r\n"
        for n in range(10):
            garbage = self.path.endswith("garbage") and n % 4 == 2
            picture = bytes(len(self.jpeg)) if garbage else self.jpeg
            self.wfile.write(head.encode() + picture + b"\r\n")
            time.sleep(0.01)
        while self.path.endswith("endless-garbage") and not self.server.done.wait(0.01):
            self.wfile.write(head.encode() + bytes(len(self.jpeg)) + b"\r\n")
        if self.path.endswith("stalls"):
            self.server.done.wait(5)


@pytest.fixture
def camera():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.connections, server.done = 0, threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.done.set()
    server.shutdown()
    server.server_close()


def test_a_stream_over_the_network_stops_with_an_error_or_goes_on(camera):
    got = []
    with pytest.raises(SourceError, match="stopped after"):
        got.extend(open_source(f"{camera.url}/live").frames)
    assert 5 <= len(got) <= 10
    source = open_source(f"{camera.url}/live", reconnect=True)
    frames = source.frames
    got = [next(frames) for _ in range(15)]
    source.close()
    assert (camera.connections, source.counts.reconnected) == (3, 1)
    gaps = np.diff([f.timestamp_s for f in got])
    assert gaps.min() > 0
    assert gaps.max() > 0.4


def test_garbage_over_the_network_is_counted_and_passed_over(camera):
    source, got = open_source(f"{camera.url}/garbage"), []
    with pytest.raises(SourceError, match="stopped after"):
        got.extend(source.frames)
    assert (len(got), source.counts.unreadable) == (8, 2)


def test_nothing_but_garbage_times_out(camera):
    source, began = open_source(f"{camera.url}/endless-garbage", timeout_s=1), time.monotonic()
    with pytest.raises(SourceError, match="stopped after"):
        list(source.frames)
    assert 0.8 < time.monotonic() - began < 4
    assert source.counts.unreadable > 20


def test_a_stalled_stream_over_the_network_times_out(camera):
    began = time.monotonic()
    with pytest.raises(SourceError, match="stopped after"):
        list(open_source(f"{camera.url}/stalls", timeout_s=1).frames)
    assert time.monotonic() - began < 4


def test_a_photograph_on_a_server_is_one_frame_and_an_ordinary_end(camera):
    assert [f.image.shape for f in open_source(f"{camera.url}/photo.jpg").frames] == [(48, 64, 3)]
