"""`label` on the command line: real networks once, exit codes, what is said where."""

from __future__ import annotations

import json
import sys

import cv2
import numpy as np
import pytest

from litepose_edge import Estimator
from litepose_edge.cli.app import run

parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def archive(tmp_path, photographs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    cv2.imwrite("in/person.png", cv2.imread(str(photographs / "astronaut.png"))[::2, ::2])
    cv2.imwrite("in/black.jpg", np.zeros((60, 80, 3), np.uint8))
    return tmp_path


def test_an_archive_is_labelled_with_the_bundled_networks(archive, capsys):
    (archive / "in" / "broken.jpg").write_bytes(b"no picture")
    assert run(["label", "in", "--out", "out", "--workers", "1"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("3 inputs, 2 frames, 1 people, ")
    assert err.rstrip().endswith("1 failed (see out/failures.parquet)")
    (row,) = parquet.read_table("out/people").to_pylist()
    (person,) = Estimator(threads=1).predict("in/person.png")
    assert row["source"] == "in/person.png"
    assert row["score"] == np.float32(person.score)
    np.testing.assert_array_equal(np.array(row["keypoints"], np.float32), person.keypoints)
    (failure,) = parquet.read_table("out/failures.parquet").to_pylist()
    assert failure["source"] == "in/broken.jpg"
    assert run(["label", "in", "--out", "out", "--workers", "0", "--max-people", "3"]) == 1
    assert "give another --out" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "suffix"), [("jsonl", "jsonl"), ("coco", "json")])
def test_other_formats_and_lists(archive, capsys, kind, suffix):
    (archive / "list.txt").write_text("in/person.png\n")
    arguments = ["--format", kind, "--from", "list.txt", "--crops", "crops", "--workers", "0"]
    assert run(["label", "--out", "out", *arguments, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    (shard,) = (archive / "out" / "people").glob(f"*.{suffix}")
    document = json.loads(shard.read_text())
    people = document["people" if kind == "jsonl" else "annotations"]
    assert len(people) == 1
    (crop,) = (archive / "crops" / "images").iterdir()
    assert cv2.imread(str(crop)).shape[0] > 60


def test_usage_is_checked(tmp_path, capsys):
    assert run(["label", "--out", str(tmp_path / "out")]) == 2
    arguments = [str(tmp_path), "--out", str(tmp_path / "out")]
    assert run(["label", *arguments, "--ray", "auto", "--workers", "0"]) == 2
    assert run(["label", str(tmp_path)]) == 2
    assert "--out" in capsys.readouterr().err


def test_without_the_extra_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run(["label", str(tmp_path), "--out", str(tmp_path / "out")]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'litepose-edge[label]'" in line
    assert not (tmp_path / "out").exists()


def test_without_ray_one_line_says_what_to_install(archive, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run(["label", "in", "--out", "out", "--ray", "auto"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'litepose-edge[scale]'" in line
