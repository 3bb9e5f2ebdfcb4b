"""Named pipes, devices and files larger than memory, given to every command that reads a file."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.backends import bundled  # noqa: E402
from litepose_edge.cli import app as runtime  # noqa: E402
from litepose_export.cli import app as exporter  # noqa: E402

FLOAT, INT8 = (str(bundled.find("lrpose-s", precision)) for precision in ("fp32", "int8"))
OWN = "os:getcwd"
MANIFEST = ["manifest", "--head", "heatmaps", "--size", "96x128", "--out", "m.json"]
COMMANDS = [
    (runtime, ["predict", "large", "--model", "{}"]),
    (runtime, ["predict", "{}"]),
    (runtime, ["info", "{}"]),
    (runtime, ["eval", "--data", "{}", "--model", "lrpose-n"]),
    (runtime, ["adopt", "{}", "--output-format", "heatmap"]),
    (runtime, ["adopt", INT8, "--output-format", "heatmap", "--skeleton", "{}"]),
    (runtime, ["bench", "--read", "{}"]),
    (exporter, [*MANIFEST, "--skeleton", "{}"]),
    (exporter, ["export", OWN, "--manifest", "{}", "--out", "o.onnx"]),
    (exporter, ["export", "lrpose-n", "--checkpoint", "{}", "--out", "o.onnx"]),
    (exporter, ["train", "lrpose-n", "--data", "{}", "--out", "run", "--steps", "1"]),
    (exporter, ["pack", "--data", "{}", "--out", "shards"]),
    (exporter, ["quantize", FLOAT, "--calibration", "{}", "--out", "q.onnx"]),
    (exporter, ["quantize", "{}", "--calibration", "c.json", "--out", "q.onnx"]),
    (exporter, ["verify", "{}", "--network", OWN, "--checkpoint", "{}"]),
    (exporter, ["ort", "{}", "--out", "o.ort"]),
    (exporter, ["portable", "{}", "--out", "o.onnx"]),
    (exporter, ["plot", "{}", "--out", "p.svg"]),
]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize(("application", "arguments"), COMMANDS)
def test_a_file_without_end_is_one_line_at_once(
    application, arguments, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(10**11)
    for path in ("pipe", "/dev/zero", "large"):
        code = application.run([argument.format(path) for argument in arguments])
        error = capsys.readouterr().err.strip().splitlines()
        assert (code in (1, 2, 3), len(error) >= 1) == (True, True), path
        assert path in error[-1]
        assert not error[-1].startswith("Traceback")
    assert {p.name for p in tmp_path.iterdir()} <= {"pipe", "large", "run", "shards"}
