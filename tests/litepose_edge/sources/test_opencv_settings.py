"""What is asked of an RTSP camera, and OpenCV's silence while a source is tried."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from litepose_edge.errors import SourceError
from litepose_edge.sources import open_source
from litepose_edge.sources.opencv_settings import (
    OPTIONS_VARIABLE,
    ffmpeg_options,
    log_level,
    while_opening,
)

SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=control:track1\r\n"
)


@pytest.fixture
def rtsp_camera():
    """The address of a camera that refuses every way of transport, and what it was asked for."""
    asked = []
    listening = socket.create_server(("127.0.0.1", 0))

    def answer(connection):
        with connection:
            while request := connection.recv(4096).decode("latin-1"):
                sequence = re.search(r"CSeq: (\d+)", request).group(1)
                asked.extend(re.findall(r"^Transport: (.+?)\r$", request, re.MULTILINE))
                status, body = "200 OK", ""
                if request.startswith("SETUP"):
                    status = "461 Unsupported Transport"
                if request.startswith("DESCRIBE"):
                    body = SDP
                head = f"RTSP/1.0 {status}\r\nCSeq: {sequence}\r\nPublic: DESCRIBE, SETUP, PLAY\r\n"
                if body:
                    head += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
                connection.sendall(f"{head}\r\n{body}".encode())

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"rtsp://127.0.0.1:{listening.getsockname()[1]}/1", asked
    listening.close()


@pytest.mark.parametrize(("transport", "way"), [("tcp", "RTP/AVP/TCP"), ("udp", "RTP/AVP/UDP")])
def test_a_camera_is_asked_for_the_transport(rtsp_camera, transport, way):
    address, asked = rtsp_camera
    with pytest.raises(SourceError, match="cannot open rtsp"):
        open_source(address, transport=transport, low_latency=True, timeout_s=5)
    assert asked
    assert {ask.split(";")[0] for ask in asked} == {way}
    assert OPTIONS_VARIABLE not in os.environ


def test_options_of_ones_own_stay_and_come_first(monkeypatch):
    assert ffmpeg_options(None, low_latency=False) is None
    assert ffmpeg_options("udp", low_latency=False) == "rtsp_transport;udp"
    # OpenCV's own default, which it forgets as soon as the variable is set.
    assert ffmpeg_options(None, low_latency=True).startswith("rtsp_flags;prefer_tcp|fflags;")
    assert "prefer_tcp" not in ffmpeg_options("udp", low_latency=True)
    monkeypatch.setenv(OPTIONS_VARIABLE, "user_agent;me")
    assert ffmpeg_options("tcp", low_latency=False) == "user_agent;me|rtsp_transport;tcp"
    with while_opening(ffmpeg_options("tcp", low_latency=False)):
        assert os.environ[OPTIONS_VARIABLE] == "user_agent;me|rtsp_transport;tcp"
    assert os.environ[OPTIONS_VARIABLE] == "user_agent;me"
    with while_opening(None):
        assert os.environ[OPTIONS_VARIABLE] == "user_agent;me"


def test_several_cameras_are_opened_each_with_its_own_options():
    def opened(number):
        wanted = ("rtsp_transport;tcp", "rtsp_transport;udp", None)[number % 3]
        for _ in range(20):
            with while_opening(wanted):
                if os.environ.get(OPTIONS_VARIABLE) != wanted:
                    return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(opened, range(6)))
    assert OPTIONS_VARIABLE not in os.environ


def test_a_wrong_transport_or_one_for_an_open_source_is_refused(frame):
    with pytest.raises(ValueError, match="'tcp' or 'udp', got 'http'"):
        open_source("rtsp://127.0.0.1/1", transport="http")
    with pytest.raises(ValueError, match="opened this source already"):
        open_source(open_source([frame]), low_latency=True)


def test_opencv_says_nothing_while_a_camera_is_tried_and_speaks_again_afterwards():
    code = (
        "from litepose_edge.sources import open_source\n"
        "from litepose_edge.sources.opencv_settings import log_level\n"
        "before = log_level()\n"
        "for camera in (97, 98):\n"
        "    try:\n"
        "        open_source(camera)\n"
        "    except OSError as exc:\n"
        "        print(exc)\n"
        "assert log_level() == before > 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("cannot open camera 9") == 2
    assert done.stderr == ""


def test_who_sets_opencvs_log_level_sees_its_messages(monkeypatch):
    monkeypatch.setenv("OPENCV_LOG_LEVEL", "INFO")
    before = log_level()
    with while_opening(None):
        assert log_level() == before
