"""Nothing that we load leaves an identifier, starts a process or speaks to a network."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import threading

import pytest

from litepose_edge.backends import telemetry

# What engines read as "run by a machine, send nothing" must not hide what they do elsewhere.
HIDES = ("CI", "GITHUB", "TF_BUILD", "JENKINS", "CIRCLECI", "ORT_", "NNCF", "RAY_", "PYTEST")
PREDICT = """
import sys, time, numpy as np
from pathlib import Path
from litepose_edge import Estimator
with Estimator(backend=sys.argv[1], threads=1) as estimator:
    estimator.predict(np.full((240, 320, 3), 90, np.uint8))
    children = [Path(f"/proc/self/task/{task.name}/children").read_text()
        for task in Path("/proc/self/task").iterdir()] if sys.platform == "linux" else []
time.sleep(1)
assert not any(children), children
"""
EXPORTER = """
import time
import litepose_export.conversion.ort_format, litepose_export.quantization.job
import litepose_export.quantization.nncf_ir
time.sleep(1)
"""
STRANGER = """
import pwd
def getpwuid(user):
    raise KeyError(user)
pwd.getpwuid = getpwuid
"""
DOCTOR = "import sys; from litepose_edge.cli.app import run; sys.exit(run(['doctor', '--json']))"


@pytest.fixture
def calls():
    """First lines of what a proxy on this machine was asked; nothing leaves it."""
    asked = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            with link:
                asked.append(link.recv(4096).decode("latin-1").split("\r\n")[0])
                link.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    yield asked, f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()


def environment(proxy, home, **more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith((*HIDES, "LITEPOSE_EDGE"))}
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    clean |= dict.fromkeys(names, proxy) | more
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME"):
        clean.pop(name, None)
    return clean | ({} if home is None else {"HOME": str(home)})


@pytest.mark.parametrize(
    ("code", "argument"),
    [
        (PREDICT, "onnxruntime"),
        pytest.param(PREDICT, "openvino", marks=pytest.mark.openvino),
        pytest.param(DOCTOR, "", marks=pytest.mark.slow),
        pytest.param(EXPORTER, "", marks=pytest.mark.nncf),
    ],
    ids=["onnxruntime", "openvino", "doctor", "exporter"],
)
def test_nothing_is_left_in_the_home_folder_and_no_host_is_called(calls, tmp_path, code, argument):
    asked, proxy = calls
    command = [sys.executable, "-W", "ignore", "-c", code, argument]
    done = subprocess.run(command, env=environment(proxy, tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Compiled networks, as the guide to backends says.
    left = [p for p in tmp_path.rglob("*") if p.is_file() and "litepose-edge" not in p.parts]
    assert (left, asked) == ([], [])


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX users")
@pytest.mark.parametrize(
    "backend", ["onnxruntime", pytest.param("openvino", marks=pytest.mark.openvino)]
)
def test_a_user_without_a_home_folder_or_an_entry_can_predict(calls, backend):
    asked, proxy = calls
    command = [sys.executable, "-W", "ignore", "-c", STRANGER + PREDICT, backend]
    done = subprocess.run(command, env=environment(proxy, None), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert asked == []


def run_with_a_recorder(tmp_path, code, **variables):
    """With an `openvino_telemetry` of ours in front, which says that it was imported."""
    (tmp_path / "openvino_telemetry").mkdir()
    (tmp_path / "openvino_telemetry" / "__init__.py").write_text(
        "print('reported')\nraise ImportError('a recorder')\n"
    )
    variables |= {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment("http://127.0.0.1:9", tmp_path, **variables),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SESSION = "import litepose_edge.backends.openvino_session"


@pytest.mark.openvino
def test_openvino_reports_only_if_the_user_asks(tmp_path):
    assert run_with_a_recorder(tmp_path, SESSION) == ""


@pytest.mark.openvino
def test_openvino_reports_if_the_user_asks(tmp_path):
    assert "reported" in run_with_a_recorder(tmp_path, SESSION, LITEPOSE_EDGE_TELEMETRY="1")


def test_the_switches_are_set_on_import_and_a_users_own_are_kept(tmp_path):
    names = list(telemetry.SWITCHES)
    code = f"import os, litepose_edge; print([os.environ.get(n) for n in {names!r}])"
    for given, expected in (
        ({}, ["1", "0"]),
        ({"ORT_DISABLE_TELEMETRY": ""}, ["1", "0"]),
        ({"ORT_DISABLE_TELEMETRY": "0"}, ["0", "0"]),
        ({"LITEPOSE_EDGE_TELEMETRY": "1"}, [None, None]),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment("http://127.0.0.1:9", tmp_path, **given),
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == str(expected), done.stderr


def test_an_applications_own_import_of_the_telemetry_package_is_given_back(monkeypatch):
    monkeypatch.delenv(telemetry.VARIABLE, raising=False)
    package = type(sys)("openvino_telemetry")
    monkeypatch.setitem(sys.modules, telemetry.OPENVINO_TELEMETRY, package)
    with telemetry.no_openvino_telemetry(), pytest.raises(ImportError):
        importlib.import_module(telemetry.OPENVINO_TELEMETRY)
    assert sys.modules[telemetry.OPENVINO_TELEMETRY] is package
    monkeypatch.delitem(sys.modules, telemetry.OPENVINO_TELEMETRY)
    with telemetry.no_openvino_telemetry():
        pass
    assert telemetry.OPENVINO_TELEMETRY not in sys.modules


def test_an_engine_that_the_application_loaded_first_is_told_to_be_silent(monkeypatch):
    told = []
    engine = type("Engine", (), {"disable_telemetry_events": staticmethod(lambda: told.append(1))})
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "1")
    telemetry.silence_onnxruntime(engine)
    assert told == [1]
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    telemetry.silence_onnxruntime(engine)
    assert told == [1]
