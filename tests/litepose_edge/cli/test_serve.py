import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from litepose_edge.cli.app import run
from live_service import wait_until

TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("films") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 15, (160, 120))
    for index in range(20):
        writer.write(np.full((120, 160, 3), 5 * index, np.uint8))
    writer.release()
    return path


@contextlib.contextmanager
def served(*arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen, str]]:
    command = [sys.executable, "-m", "litepose_edge", "serve", *arguments, "--port", "0"]
    process = subprocess.Popen(
        [*command, "--model", "lrpose-n", "--threads", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "others can reach 0.0.0.0: set LITEPOSE_EDGE_TOKEN"),
        (["--token", "short"], "a token has 16 ASCII characters or more"),
        (["--token", "0123456789 abcdef"], "no blanks"),
        (["--token", TOKEN, "--token-file", "t"], "not both"),
        (["--token-file", "nowhere.txt"], "cannot read nowhere.txt"),
        (["--allow-origin", "board.example"], "an origin is a scheme, a name"),
    ],
)
def test_what_would_be_unsafe_is_refused(film, capsys, monkeypatch, arguments, sentence):
    monkeypatch.delenv("LITEPOSE_EDGE_TOKEN", raising=False)
    assert run(["serve", str(film), *arguments]) == 2
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert sentence in said


def test_pictures_and_missing_films_are_refused_at_once(tmp_path, capsys):
    assert run(["serve", str(tmp_path / "missing.mp4")]) == 1
    assert "predict is for pictures" in capsys.readouterr().err


def test_a_port_that_is_taken_is_one_line(film, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run(["serve", str(film), "--port", str(taken.getsockname()[1])]) == 1
    assert "give another --host or --port" in capsys.readouterr().err


def test_it_says_where_serves_and_ends_in_order_when_asked(film, tmp_path):
    folder = tmp_path / "films"
    options = ("--allow-record", "--record-folder", str(folder))
    with served(str(film), *options) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        wait_until(lambda: httpx.get(f"{url}readyz").status_code == 200, 60)
        httpx.post(f"{url}v1/record", json={"on": True}, timeout=20)
        frames = httpx.get(f"{url}v1/status").json()["frames"]
        wait_until(lambda: httpx.get(f"{url}v1/status").json()["frames"] > frames + 3, 60)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "running" in said
    (recorded,) = folder.iterdir()
    assert cv2.VideoCapture(str(recorded)).grab()


def test_once_ends_with_the_film(film):
    with served(str(film), "--once") as (process, _):
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "ended: the source has ended" in said


def test_a_camera_that_is_not_there_is_waited_for_and_the_token_may_be_a_variable():
    with served("/dev/video99", LITEPOSE_EDGE_TOKEN=TOKEN) as (_, url):
        assert httpx.get(f"{url}healthz").status_code == 200
        assert httpx.get(f"{url}v1/status").status_code == 401
        headers = {"authorization": f"Bearer {TOKEN}"}

        def state() -> tuple[str, str]:
            status = httpx.get(f"{url}v1/status", headers=headers).json()
            return status["state"], status["reason"]

        wait_until(lambda: state() == ("waiting", "no such camera: video99"), 60)


def test_a_malformed_url_is_refused_at_once(capsys):
    assert run(["serve", "http://[cam/x"]) == 1
    assert "is no URL" in capsys.readouterr().err


def test_the_detector_runs_at_least_every_thousandth_frame(film, capsys):
    assert run(["serve", str(film), "--detect-every", "2000"]) == 2
