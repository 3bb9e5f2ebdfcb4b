"""How far INT8 moves keypoints: both forms of the released file are measured."""

from __future__ import annotations

import json

import pytest

from benchmarks.budget import bars, int8_shift

pytestmark = pytest.mark.export


def test_the_released_file_is_measured_in_both_forms(photo_dataset, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    pytest.importorskip("pycocotools")
    report = tmp_path / "report.json"
    arguments = [str(photo_dataset), "--people", "1", "--seconds", "0", "--json", str(report)]
    monkeypatch.setattr("sys.argv", ["int8_shift.py", *arguments])
    int8_shift.main()
    assert {"x86", "ARM"} <= set(json.loads(report.read_text()))
    rows = bars.read(report)
    assert len(rows) == 2 * len(int8_shift.ROWS)
    assert all(row.figure is not None for row in rows)


def test_the_signed_form_is_another_file():
    x86, arm = int8_shift.released().values()
    assert x86 != arm


def test_the_bars_are_those_of_the_shipped_files():
    median, p95, part, lost = int8_shift.ROWS
    assert [row.limit for row in (median, p95, part, lost)] == [0.25, 1.1, 0.6, 0.3]
