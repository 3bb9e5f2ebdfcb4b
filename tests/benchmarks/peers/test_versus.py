"""The comparison: what it measures without photographs, and the page and plot made from it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.budget import dark
from benchmarks.micro import plain
from benchmarks.peers import versus, versus_page
from litepose_edge.geometry import Size
from paths import ROOT

VERSUS = (sys.executable, "-m", "benchmarks.peers.versus")
SVG = "{http://www.w3.org/2000/svg}"


def baseline(name, ms=5.0, ap=0.3, missing=None):
    speed = {"people": 5, "mean_ms": ms, "p90_ms": ms, "cpu_ms": ms, "to_ours": ms / 5}
    return {
        "name": name,
        "weights": "theirs",
        "usual": "loop",
        "missing": missing,
        "accuracy": None if ap is None else {"ap": ap, "ap50": ap, "ap75": ap, "ar": ap},
        "speed": {} if missing else {"1": speed, "2": {**speed, "people": 3}},
    }


def report(baselines):
    return {
        "schema": 1,
        "cpu": "a CPU",
        "packages": {"numpy": "2.0"},
        "warnings": ["Other programs were running."],
        "people": 5,
        "labelled": True,
        "baselines": baselines,
    }


def test_rows_of_a_later_run_keep_their_ratio_to_ours():
    old = report([baseline("ours", 5.0), baseline("theirs", 10.0), baseline("others", 7.0)])
    # The machine is twice as slow in the later run.
    new = report([baseline("ours", 10.0), baseline("theirs", 30.0), baseline("new", 5.0)])
    rows = {row["name"]: row for row in versus.updated(old, new)["baselines"]}
    assert list(rows) == ["ours", "theirs", "others", "new"]
    assert rows["ours"]["speed"]["1"]["mean_ms"] == 5
    assert rows["theirs"]["speed"]["1"]["mean_ms"] == 15
    assert rows["new"]["speed"]["1"]["mean_ms"] == 2.5
    later = versus.updated(old, {**new, "baselines": [*new["baselines"]]}, timed=False)
    assert [row["speed"] for row in later["baselines"][:3]] == [
        r["speed"] for r in old["baselines"]
    ]
    assert later["baselines"][0]["accuracy"] == new["baselines"][0]["accuracy"]
    assert "- new: not timed yet." in versus_page.to_markdown(later)
    page = versus_page.to_markdown({**old, "baselines": list(rows.values())})
    assert "- theirs: measured in a later run" in page
    assert "- others: measured" not in page


def test_it_runs_without_photographs_and_foreign_networks(tmp_path):
    command = [*VERSUS, "--cpus", "1", "--people", "2", "--out", tmp_path]
    command += ["--data", tmp_path / "dev.json", "--peers", tmp_path / "peers"]
    subprocess.run([*map(str, command)], check=True, capture_output=True, cwd=ROOT)
    found = json.loads((tmp_path / "versus.json").read_text())
    rows = {row["name"]: row for row in found["baselines"]}
    assert (found["people"], found["labelled"]) == (2, False)
    assert rows["litepose-edge"]["speed"]["1"]["to_ours"] == 1
    assert rows["OpenCV DNN"]["speed"]["1"]["mean_ms"] > 0
    assert all(row["accuracy"] is None for row in rows.values())
    # OpenVINO is asked for before the file is.
    assert re.search("not here|not installed", rows["MoveNet Lightning"]["missing"])
    assert "MoveNet Lightning: not measured" in (tmp_path / "versus.md").read_text()


def test_the_page_is_remade_from_the_json_alone(tmp_path):
    source = tmp_path / "versus.json"
    given_report = report([baseline("litepose-edge"), baseline("other", 9.0, 0.5)])
    source.write_text(json.dumps(given_report))
    again = tmp_path / "again"
    command = [*VERSUS, "--read", source, "--out", again]
    subprocess.run([*map(str, command)], check=True, capture_output=True, cwd=ROOT)
    assert (again / "versus.md").read_text() == versus_page.to_markdown(given_report)
    assert (again / "versus.svg").read_text() == versus_page.to_svg(given_report)


def test_the_table_has_every_baseline_and_as_many_cells_as_titles():
    text = versus_page.to_markdown(report([baseline("a"), baseline("b", missing="gone", ap=None)]))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert len({line.count("|") for line in table}) == 1
    assert "- b: not measured, gone." in text
    assert "- Other programs were running." in text
    assert "On 2 CPUs: the first 3 people." in text
    assert "On 1 CPUs" not in text


@given(st.lists(st.tuples(st.floats(0.5, 500), st.floats(0, 1)), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_points_lie_where_their_figures_are(points):
    baselines = [baseline(f"n{i}", ms, ap) for i, (ms, ap) in enumerate(points)]
    circles = list(
        ElementTree.fromstring(versus_page.to_svg(report(baselines))).iter(f"{SVG}circle")
    )
    drawn = [(float(c.get("cx")), float(c.get("cy"))) for c in circles]
    assert len(drawn) == len(points)
    for (x, y), (ms, ap) in zip(drawn, points, strict=True):
        assert versus_page.LEFT <= x <= versus_page.WIDTH - versus_page.RIGHT
        assert versus_page.TOP <= y <= versus_page.HEIGHT - versus_page.BOTTOM + 0.1
        for (other_x, other_y), (other_ms, other_ap) in zip(drawn, points, strict=True):
            assert x <= other_x or ms >= other_ms
            assert y >= other_y or ap >= other_ap


def test_labels_of_neighbouring_points_do_not_cover_one_another():
    names = ["litepose-edge", "OpenVINO alone", "OpenVINO alone, INT8", "rtmlib 0.0.16"]
    taken = [(100.0 + 3 * i, 96.0, 112.0 + 3 * i, 108.0) for i in range(4)]
    points = list(taken)
    for i, name in enumerate(names):
        place = versus_page.free_place(name, 106.0 + 3 * i, 102.0 + i, taken)
        assert sum(versus_page.common_area(place, other) for other in taken) == 0
        taken.append(place)
    assert len(taken) == len(points) + len(names)


def test_a_persons_score_is_the_mean_of_the_joints_that_were_seen():
    scores = np.array([0.9, 0.7] + [0.1] * 15)
    (person,) = versus.entries(3, (np.zeros((17, 2)), scores))
    assert person["score"] == pytest.approx(0.8)
    (unseen,) = versus.entries(3, (np.zeros((17, 2)), np.zeros(17)))
    assert unseen["score"] == 0


def test_the_plain_crop_and_its_way_back_are_inverse():
    box = np.array([20.0, 30.0, 90.0, 200.0])
    affine = plain.crop_affine(box, 144, 192)
    points = np.array([[0.0, 0.0], [71.5, 95.5], [143.0, 191.0]])
    there = plain.to_image(points, affine)
    np.testing.assert_allclose(there @ affine[:, :2].T + affine[:, 2], points)
    np.testing.assert_allclose(there[1], [55, 115])


def test_the_plain_dark_loop_and_ours_agree_within_the_budgets_bar():
    row = dark.measure(2, 1, Size(18, 24), Size(144, 192), 3)
    assert row["difference_px"] <= dark.MOST_PX
