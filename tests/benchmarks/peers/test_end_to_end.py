"""Whole photographs beside a one-stage network: what it measures, and the page made from it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.peers import end_to_end
from paths import ROOT, SHARED

COMMAND = (sys.executable, "-m", "benchmarks.peers.end_to_end")


def row(name, missing=None):
    speed = {
        "median_ms": 20.0, "mean_ms": 25.0, "p90_ms": 40.0, "cpu_ms": 19.0,
        "to_first": 0.5, "mean_to_first": 0.62, "cpu_to_first": 0.51,
    }  # fmt: skip
    scored = {"ap": 0.4, "ap50": 0.7, "ap75": 0.4, "ar": 0.5}
    return {
        "name": name, "usual": "loop", "least_score": 0.01, "predicted_score": 0.25,
        "missing": missing, "accuracy": None if missing else scored,
        "predicted": None if missing else {**scored, "ap": 0.35},
        "speed": None if missing else speed,
    }  # fmt: skip


REPORT = {
    "schema": 1,
    "cpu": "a CPU",
    "packages": {"numpy": "2.0"},
    "warnings": ["Other programs were running."],
    "photographs": 5,
    "labelled": True,
    "rows": [row("first"), row("second"), row("third", missing="net.xml is not here")],
}


def test_the_table_has_every_row_and_as_many_cells_as_titles():
    text = end_to_end.to_markdown(REPORT)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 5
    assert len({line.count("|") for line in table}) == 1
    assert "| 0.400 | 0.700 | 0.350 | 20.0 | 25.0 | 19.0 | 0.50 | 0.62 | 0.51 |" in table[3]
    assert "- third: not measured, net.xml is not here." in text


def test_it_runs_without_photographs_and_foreign_networks(tmp_path):
    arguments = ["--photographs", "1", "--out", tmp_path, "--data", tmp_path / "dev.json"]
    arguments += ["--peers", tmp_path / "peers"]
    subprocess.run([*COMMAND, *map(str, arguments)], check=True, capture_output=True, cwd=ROOT)
    found = json.loads((tmp_path / "end-to-end.json").read_text())
    rows = {each["name"]: each for each in found["rows"]}
    assert (found["photographs"], found["labelled"]) == (1, False)
    assert "not here" in rows["YOLOv8n-pose INT8"]["missing"]
    assert rows["LRPose-s INT8, PersonDet"]["speed"]["to_first"] == 1
    again = tmp_path / "again"
    read = [*COMMAND, "--read", str(tmp_path / "end-to-end.json"), "--out", str(again)]
    subprocess.run(read, check=True, capture_output=True, cwd=ROOT)
    for name in ("end-to-end.json", "end-to-end.md"):
        assert (again / name).read_text() == (tmp_path / name).read_text()


def test_rows_that_are_compared_give_the_same_people(dev_json):
    pytest.importorskip("openvino")
    path = SHARED / "peers" / "onestage" / "yolov8n-pose.xml"
    if not path.exists():
        pytest.skip("needs networks of others, which are not part of the project")
    plain, adopted = (each.open() for each in end_to_end.all_rows(SHARED / "peers")[:2])
    for _, image in end_to_end.photographs(dev_json, 3):
        scores, keypoints, _ = plain(image)
        clear = scores >= 0.3
        others, ours, _ = adopted(image)
        assert clear.sum() == len(others)
        # The largest of .05 score and a pixel: sizes are rounded alike, images drawn alike.
        np.testing.assert_allclose(others, scores[clear], atol=0.05)
        assert np.median(np.linalg.norm(ours - keypoints[clear], axis=2)) < 1
