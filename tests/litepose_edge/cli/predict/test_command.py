"""`predict` from end to end: several inputs, what is drawn, what is said on which stream."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from litepose_edge.cli.app import run

PREDICT = [sys.executable, "-m", "litepose_edge", "predict"]


@pytest.fixture
def inputs(tmp_path, photographs, monkeypatch):
    """A photograph of one person, a black picture, and a film of that photograph."""
    monkeypatch.chdir(tmp_path)
    photograph = cv2.imread(str(photographs / "astronaut.png"))
    cv2.imwrite("person.png", photograph)
    cv2.imwrite("black.jpg", np.zeros((60, 80, 3), np.uint8))
    film = cv2.VideoWriter("clip.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (256, 256))
    for _ in range(3):
        film.write(cv2.resize(photograph, (256, 256)))
    film.release()
    return tmp_path


def test_pictures_and_films_in_one_run(inputs, capsys):
    named = ["black.jpg", "clip.avi", "missing.png", "person.png"]
    assert run(["predict", *named, "--json", "--save", "drawn"]) == 1
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["source"] for line in lines] == [
        "black.jpg", "clip.avi", "clip.avi", "clip.avi", "person.png",
    ]  # fmt: skip
    assert [len(line["people"]) for line in lines] == [0, 1, 1, 1, 1]
    names = ["black.jpg", "clip.avi", "person.png"]
    assert sorted(path.name for path in (inputs / "drawn").iterdir()) == names
    assert err.splitlines()[0] == "error: no such file or folder: missing.png"
    assert err.splitlines()[-1].startswith("2 images, 3 frames, 2 people, ")
    assert err.splitlines()[-1].endswith(" a second), 1 failed")


def test_one_image_is_saved_under_the_name_that_is_given(inputs, capsys):
    assert run(["predict", "person.png", "--save", "out.jpg"]) == 0
    assert cv2.imread("out.jpg").shape == cv2.imread("person.png").shape
    out, err = capsys.readouterr()
    assert out.startswith("person.png: 1 person (scores ")
    assert err == ""
    assert run(["predict", "person.png", "black.jpg", "--save", "out.jpg"]) == 2


def test_a_folder_is_its_images_and_films_by_name(inputs, capsys):
    (inputs / "notes.txt").write_text("no picture")
    assert run(["predict", ".", "--json"]) == 0
    out, err = capsys.readouterr()
    sources = [json.loads(line)["source"] for line in out.splitlines()]
    assert sources == ["black.jpg", *["clip.avi"] * 3, "person.png"]
    assert err.startswith("2 images, 3 frames, ")


def test_a_name_too_long_to_ask_about_is_no_file(inputs, capsys):
    assert run(["predict", "a" * 5000]) == 1
    assert capsys.readouterr().err.startswith("error: no such file or folder: aaa")
    assert run(["bench", "compare", "a" * 5000, "b.json"]) == 1


def test_a_folder_that_cannot_be_listed_is_an_error(inputs, capsys, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert run(["predict", "."]) == 1
    assert "cannot read the folder .: Permission denied" in capsys.readouterr().err


def test_the_closing_line_counts_what_failed(inputs, capsys):
    assert run(["predict", "person.png", "missing.png"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("1 image, 1 person, ")
    assert run(["predict", "none.png", "missing.png"]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("0 images, 0 people, ")
    assert line.endswith(", 2 failed")
    (inputs / "one").mkdir()
    shutil.move("black.jpg", "one")
    assert run(["predict", "one"]) == 0
    assert capsys.readouterr().err.startswith("1 image, 0 people, ")


def test_what_is_no_picture_is_called_so_whatever_its_name(inputs, capsys):
    (inputs / "page.jpg").write_text("<html>")
    assert run(["predict", "page.jpg", "--save", "out.png"]) == 1
    assert capsys.readouterr().err == "error: page.jpg is no image of a known format\n"
    shutil.copy("clip.avi", "film.jpg")
    assert run(["predict", "film.jpg", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_nothing_is_drawn_alone(inputs, capsys):
    assert run(["predict", "person.png", "--draw", "none,boxes"]) == 2
    assert "'none' stands alone" in capsys.readouterr().err


def test_quiet_leaves_only_results_and_errors(inputs, capsys):
    for named in (["clip.avi"], ["person.png", "black.jpg"]):
        assert run(["predict", *named, "--json", "--quiet"]) == 0
        out, err = capsys.readouterr()
        assert (len(out.splitlines()), err) == (len(named) if len(named) > 1 else 3, "")
    assert run(["predict", "missing.png", "-q"]) == 1
    assert capsys.readouterr().err == "error: no such file or folder: missing.png\n"


def test_stdin_is_called_dash(inputs, capsys, monkeypatch):
    def run_on(content, *options):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return run(["predict", "-", "--json", *options])

    for name, lines in (("person.png", 1), ("clip.avi", 3)):
        assert run_on((inputs / name).read_bytes(), "--save", "drawn") == 0
        out = capsys.readouterr().out
        assert [json.loads(line)["source"] for line in out.splitlines()] == ["-"] * lines
    assert sorted(p.name for p in (inputs / "drawn").iterdir()) == ["stdin.mp4", "stdin.png"]
    assert run_on(b"\x89PNG\r\n\x1a\nrubbish") == 1
    assert capsys.readouterr().err.startswith("error: - is no image")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal of its own")
def test_a_bar_on_a_terminal_shows_rate_and_people_and_leaves_results_alone(inputs):
    (inputs / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    terminal, its_end = os.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [*PREDICT, "person.png", "black.jpg", "broken.png", "--json"],
        stdout=subprocess.PIPE, stderr=its_end, env=environment,
    ) as process:  # fmt: skip
        os.close(its_end)
        seen = b""
        while True:
            try:
                part = os.read(terminal, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
        lines = process.stdout.read().splitlines()
    os.close(terminal)
    assert process.returncode == 1
    assert [len(json.loads(line)["people"]) for line in lines] == [1, 0]
    assert b"3 of 3 images, " in seen
    assert b"people: 1" in seen
    assert b"2 images, 1 person, " in seen


def test_what_is_drawn_can_be_chosen(inputs, capsys):
    drawn = {}
    for parts in ("none", "boxes", "boxes,scores"):
        assert run(["predict", "person.png", "--save", "out.png", "--draw", parts]) == 0
        drawn[parts] = cv2.imread("out.png")
    assert run(["predict", "person.png", "--save", "out.png"]) == 0
    original = cv2.imread("person.png")
    changed = {parts: int((image != original).any(-1).sum()) for parts, image in drawn.items()}
    assert 0 < changed["none"] < changed["boxes"] < changed["boxes,scores"]
    assert (cv2.imread("out.png") == drawn["boxes"]).all()  # ids are of tracked people
    assert run(["predict", "person.png", "--draw", "boxes,moustaches"]) == 2
    assert "'moustaches' is none of boxes, ids, scores, trails, none" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_film_shows_ids_unless_others_are_asked_for(inputs):
    assert run(["predict", "clip.avi", "--save", "ids.avi", "-q"]) == 0
    assert run(["predict", "clip.avi", "--save", "boxes.avi", "--draw", "boxes", "-q"]) == 0
    frames = [cv2.VideoCapture(name).read()[1].astype(int) for name in ("ids.avi", "boxes.avi")]
    assert (np.abs(frames[0] - frames[1]).max(-1) > 60).sum() > 20


def test_json_lines_go_to_both_where_both_are_asked_for(inputs, capsys):
    assert run(["predict", "person.png", "--json", "--json-file", "lines.jsonl"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["source"] == "person.png"
    assert (inputs / "lines.jsonl").read_text() == printed
