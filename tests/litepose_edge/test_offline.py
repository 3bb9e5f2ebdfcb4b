"""What SECURITY.md promises of the runtime's own code, seen by the interpreter's audit events."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

AUDITED = """
import sys
seen = []
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
          "os.spawn", "os.startfile")
SPEAKS = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname",
          "urllib.Request", "http.client.connect", "ftplib.connect", "smtplib.connect")
UNPICKLES = ("pickle.find_class",)
def hear(event, arguments):
    if event in STARTS + SPEAKS + UNPICKLES:
        seen.append((event, str(arguments)[:200]))
sys.addaudithook(hear)
"""
LIBRARY = """
import numpy as np
from litepose_edge import Estimator
for backend in sys.argv[3:]:
    with Estimator(backend=backend, threads=2) as estimator:
        estimator.predict(np.full((240, 320, 3), 90, np.uint8))
        estimator.predict_batch([np.full((64, 64, 3), 90, np.uint8)] * 2)
        assert len(list(estimator.stream(sys.argv[2]))) == 4
        estimator.tracker().update(np.full((64, 64, 3), 90, np.uint8), timestamp_s=0.0)
"""
COMMANDS = """
from litepose_edge.cli.app import run
for arguments in (
    ["predict", sys.argv[1]],
    ["predict", sys.argv[2], "--save", sys.argv[2] + ".drawn.mp4"],
    ["info", "lrpose-s"],
):
    assert run(arguments) == 0, arguments
"""
REPORT = """
print(seen)
sys.exit(bool(seen))
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A photograph and a film of four frames."""
    folder = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(0)
    picture, film = str(folder / "a.png"), str(folder / "a.mp4")
    frames = rng.integers(0, 256, (4, 96, 128, 3), np.uint8)
    cv2.imwrite(picture, frames[0])
    writer = cv2.VideoWriter(film, cv2.VideoWriter.fourcc(*"mp4v"), 10, (128, 96))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return [picture, film]


def audited(code, *arguments):
    command = [sys.executable, "-W", "ignore", "-c", AUDITED + code + REPORT, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    "backend", ["onnxruntime", pytest.param("openvino", marks=pytest.mark.openvino)]
)
def test_the_library_starts_no_process_speaks_to_no_host_and_unpickles_nothing(sources, backend):
    done = audited(LIBRARY, *sources, backend)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_start_no_process_speak_to_no_host_and_unpickle_nothing(sources):
    done = audited(COMMANDS, *sources)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess; subprocess.run([sys.executable, '-c', ''])",
        "import pickle, fractions; pickle.loads(pickle.dumps(fractions.Fraction(1, 3)))",
        "import socket\ntry: socket.create_connection(('127.0.0.1', 9), 0.1)\nexcept OSError: pass",
    ],
)
def test_the_audit_hears_what_it_should(code):
    assert audited(code).returncode == 1
