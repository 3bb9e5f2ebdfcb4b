"""`litepose-export list`: quick, and readable on a narrow terminal."""

from __future__ import annotations

import json
import subprocess
import sys

from litepose_edge.cli import console
from litepose_export.cli import app
from litepose_export.models.catalogue import read_rows


def test_the_table_names_every_network_and_fits_80_columns(capsys, monkeypatch):
    monkeypatch.setattr(console.results.rich, "width", 80)
    assert app.run(["list"]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [row.network for row in read_rows()]
    assert all(len(line.rstrip()) <= 80 for line in (heading, *lines))
    assert not any("…" in line for line in lines)  # no cell is cut


def test_one_network_is_shown_with_all_that_is_known_of_it(capsys):
    assert app.run(["list", "efficientpose-a"]) == 0
    output = capsys.readouterr().out
    assert "COCO val 66.5, MPII 88.1 PCKh" in output
    assert "arXiv 2012.07086" in output


def test_json_holds_every_row(capsys):
    assert app.run(["list", "--json"]) == 0
    names = [row["network"] for row in json.loads(capsys.readouterr().out)]
    assert names == [row.network for row in read_rows()]


def test_an_unknown_network_is_a_usage_error(capsys):
    assert app.run(["list", "nothing"]) == 2
    assert "lrpose-s" in capsys.readouterr().err


def test_the_list_does_not_wait_for_pytorch():
    program = (
        "import sys; from litepose_export.cli import app; code = app.run(['list']);"
        "sys.exit(code or any(name in sys.modules for name in ('torch', 'onnx', 'openvino')))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0
