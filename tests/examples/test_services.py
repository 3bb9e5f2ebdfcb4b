"""Examples that serve, log, work in parallel, or read cameras that are not here."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import socket
import subprocess
import sys
import time
import types
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from example_files import example
from paths import ROOT

EXAMPLES = ROOT / "examples" / "services"
# Also where the package is not installed but lies here.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def run(name, *arguments):
    command = [sys.executable, EXAMPLES / name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def clip(photographs, tmp_path_factory):
    """A dozen frames of the astronaut, moving to the right."""
    picture = cv2.resize(cv2.imread(str(photographs / "astronaut.png")), (320, 320))
    path = tmp_path_factory.mktemp("clips") / "moving.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 320))
    for i in range(12):
        writer.write(np.roll(picture, 2 * i, axis=1))
    writer.release()
    return path


def test_the_csv_has_a_row_for_each_person_and_frame(clip, tmp_path, capsys):
    target = tmp_path / "people.csv"
    example("log_csv").main(str(clip), str(target))
    assert "12 rows" in capsys.readouterr().out
    rows = list(csv.DictReader(target.read_text().splitlines()))
    assert [float(row["timestamp_s"]) for row in rows] == pytest.approx(np.arange(12) / 10)
    assert {row["track_id"] for row in rows} == {"1"}
    assert float(rows[-1]["nose_x"]) - float(rows[0]["nose_x"]) == pytest.approx(22, abs=8)


def test_the_annotated_film_has_all_frames_and_the_persons_colour_in_them(clip, tmp_path, capsys):
    target = tmp_path / "drawn.mp4"
    example("annotate_film").main(str(clip), str(target))
    assert "12 frames" in capsys.readouterr().out
    before, after = cv2.VideoCapture(str(clip)), cv2.VideoCapture(str(target))
    frames = [(before.read()[1], after.read()[1]) for _ in range(12)]
    assert not after.read()[0]
    assert all(np.abs(a.astype(int) - b).mean() > 1 for a, b in frames)


@pytest.mark.parametrize("name", ["squat_counter", "fall_alarm", "hand_raised"])
def test_watchers_run_on_a_clip(name, clip, capsys):
    example(name).main(str(clip))
    assert ("0 squats" in capsys.readouterr().out) == (name == "squat_counter")


def test_a_zone_given_as_corners_is_entered(clip, capsys):
    # The feet, were they in the picture, would be below it.
    example("zone_counter").main(str(clip), ["0,0", "320,0", "320,400", "0,400"])
    assert re.search(r"person 1: 1\.[01] s inside", capsys.readouterr().out)


def test_asyncio_reports_each_picture(photographs, tmp_path, capsys):
    astronaut = str(photographs / "astronaut.png")
    missing = str(tmp_path / "missing.jpg")
    asyncio.run(example("asyncio_images").main([astronaut, missing, astronaut]))
    lines = capsys.readouterr().out.splitlines()
    assert lines.count(f"{astronaut}: 1 people") == 2
    assert sum(line.startswith(f"{missing}: cannot read image") for line in lines) == 1


def test_processes_report_each_picture(photographs):
    astronaut = photographs / "astronaut.png"
    lines = run("processes.py", astronaut, astronaut).splitlines()
    assert [line.startswith(f"{astronaut}: 1 people, scores [0.") for line in lines] == [True] * 2


def test_posture_of_a_photograph(photographs, tmp_path, capsys):
    path = photographs / "astronaut.png"
    example("posture").main(str(path))
    assert re.match(r"person 1: \d+ degrees, (slouching|straight)\n", capsys.readouterr().out)
    # Cut off at the chest.
    cv2.imwrite(str(tmp_path / "bust.png"), cv2.imread(str(path))[:300])
    example("posture").main(str(tmp_path / "bust.png"))
    assert capsys.readouterr().out == "person 1: ear, shoulder or hip are not visible\n"


def test_the_picamera_example_closes_the_camera(photographs, monkeypatch, capsys):
    done = []

    class Picamera2:
        def create_video_configuration(self, main):
            return main

        def configure(self, main):
            assert main["format"] == "RGB888"
            picture = cv2.imread(str(photographs / "astronaut.png"))
            self.frames = [cv2.resize(picture, main["size"])] * 3

        def start(self):
            done.append("started")

        def capture_array(self, stream):
            if not self.frames:
                raise KeyboardInterrupt
            return self.frames.pop()

        def stop(self):
            done.append("stopped")

        def close(self):
            done.append("closed")

    monkeypatch.setitem(sys.modules, "picamera2", types.SimpleNamespace(Picamera2=Picamera2))
    with pytest.raises(KeyboardInterrupt):
        example("picamera_people").main()
    assert done == ["started", "stopped", "closed"]
    assert capsys.readouterr().out.count("person 1: nose at Keypoint(x=") == 3


@pytest.mark.skipif(sys.platform == "win32", reason="a script in the place of a program")
def test_the_gstreamer_example_reads_whole_frames_from_the_pipe(
    photographs, tmp_path, monkeypatch, capsys
):
    program = tmp_path / "gst-launch-1.0"
    program.write_text(
        f"#!{sys.executable}\n"
        "import cv2, sys\n"
        "assert sys.argv[1:4] == ['--quiet', 'v4l2src', '!'], sys.argv\n"
        "assert 'video/x-raw,format=BGR,width=640,height=480' in sys.argv\n"
        f"frame = cv2.resize(cv2.imread({str(photographs / 'astronaut.png')!r}), (640, 480))\n"
        "sys.stdout.buffer.write(frame.tobytes() * 2 + b'half a frame')\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    example("gstreamer_people").main(["v4l2src"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("person 1" in line for line in lines)


@pytest.fixture
def service(tmp_path):
    """The address of the FastAPI example under uvicorn."""
    for package in ("fastapi", "uvicorn"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, EXAMPLES / "fastapi_service.py", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=ENVIRONMENT)
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/poses"
    finally:
        process.terminate()
        assert process.wait(20) in (0, -15)
    assert "Traceback" not in (tmp_path / "log").read_text()


def post(address, content):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, content), timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        return answer.code, json.load(answer)


def test_the_service_answers_several_requests_at_once_and_refuses_what_is_no_picture(
    service, photographs
):
    picture = (photographs / "astronaut.png").read_bytes()
    status, document = post(service, picture)
    assert status == 200
    assert len(document["people"]) == 1
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: post(service, picture), range(8)))
    assert all(answer == (200, document) for answer in answers)
    status, document = post(service, b"no picture")
    assert status == 422
    assert "no image of a known format" in document["detail"]
    assert post(service, bytes(20_000_001))[0] == 413


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="systemd's socket is a Unix one")
def test_the_camera_service_tells_systemd_that_frames_come(clip, tmp_path, monkeypatch, capsys):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        example("camera_service").main(str(clip))
        said = [systemd.recv(64).decode() for _ in range(3)]
    assert said == ["READY=1", "WATCHDOG=1", "STOPPING=1"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 12
    assert lines[0]["ids"] == [1]


def test_the_camera_service_runs_without_systemd(clip, monkeypatch, capsys):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    example("camera_service").main(str(clip))
    assert len(capsys.readouterr().out.splitlines()) == 12
