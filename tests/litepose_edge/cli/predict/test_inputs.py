"""What the sources on a command line name."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer

from litepose_edge.cli.predict.inputs import named_inputs


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.jpg", "photos/c.png"):
        cv2.imwrite(name, np.zeros((8, 8, 3), np.uint8))
    film = cv2.VideoWriter("clip.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (16, 16))
    film.write(np.zeros((16, 16, 3), np.uint8))
    film.release()
    (tmp_path / "photos" / "notes.txt").write_text("x")
    return tmp_path


def names(*sources):
    with named_inputs(sources) as (inputs, failures):
        return [(one.name, one.film) for one in inputs], failures


def test_files_folders_patterns_and_films_are_taken_in_their_order(here):
    found, failures = names("clip.avi", "photos", "*.jpg", "a.png", "0")
    assert failures == []
    assert found == [
        ("clip.avi", True), ("photos/c.png", False), ("b.jpg", False), ("a.png", False),
        ("0", True),
    ]  # fmt: skip


def test_a_file_named_twice_is_done_once(here):
    assert names("a.png", "./a.png", "*.png", str(here / "a.png"))[0] == [("a.png", False)]


def test_a_pattern_may_match_films(here):
    assert names("*.[aj]*")[0] == [("b.jpg", False), ("clip.avi", True)]


def test_what_names_nothing_is_a_failure_and_the_others_are_found(here):
    found, failures = names("missing.png", "a.png", "*.gif")
    assert found == [("a.png", False)]
    assert failures == ["no such file or folder: missing.png", "no file matches *.gif"]


def pipe(content, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize(("name", "film"), [("a.png", False), ("clip.avi", True)])
def test_stdin_gives_an_image_or_a_film_and_leaves_no_file(here, monkeypatch, name, film):
    pipe((here / name).read_bytes(), monkeypatch)
    with named_inputs(["-"]) as (inputs, failures):
        (one,) = inputs
        assert (one.name, one.film, failures) == ("-", film, [])
        kept = Path(one.source)
        assert kept.read_bytes() == (here / name).read_bytes()
    assert not kept.parent.exists()


def test_stdin_is_read_once_and_must_give_something(here, monkeypatch):
    pipe(b"", monkeypatch)
    assert names("-") == ([], ["nothing came on stdin"])
    with pytest.raises(typer.BadParameter, match="once"):
        names("-", "-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(typer.BadParameter, match="predict - < photo"):
        names("-")


def test_a_file_called_dash_is_a_file(here):
    (here / "-").write_bytes((here / "a.png").read_bytes())
    assert names("-")[0] == [("-", False)]
