from __future__ import annotations

import io
import sys

import fsspec
import pytest

from litepose_edge.scale.listing import list_inputs
from litepose_edge.scale.units import Failure
from litepose_edge.sources import list_images


@pytest.fixture
def store():
    system = fsspec.filesystem("memory")
    for name in ("b.jpg", "a.png", "film.mp4", "notes.txt", "more/c.jpg"):
        system.pipe(f"/archive/{name}", b"x")
    yield "memory://archive"
    system.rm("/archive", recursive=True)


def test_a_folder_holds_its_images_and_films_sorted(tmp_path):
    for name in ("b.jpg", "a.MP4", "c.txt", ".part", "d.heic"):
        (tmp_path / name).touch()
    (tmp_path / "folder.txt").mkdir()
    names = [str(tmp_path / name) for name in ("a.MP4", "b.jpg", "d.heic")]
    assert list(list_inputs([str(tmp_path)])) == names


def test_a_pattern_reaches_folders_in_folders(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/b/2.jpg", "a/1.jpg"):
        (tmp_path / name).touch()
    found = list(list_inputs([str(tmp_path / "**" / "*.jpg")]))
    assert found == [str(tmp_path / name) for name in ("a/1.jpg", "a/b/2.jpg")]


def test_what_is_named_by_itself_is_taken_as_it_is(tmp_path):
    (tmp_path / "odd").touch()
    (tmp_path / "a[1].jpg").touch()
    names = [str(tmp_path / "odd"), str(tmp_path / "a[1].jpg"), "https://host/x.jpg"]
    assert list(list_inputs(names)) == names


def test_what_names_nothing_is_a_failure_and_the_others_are_listed(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.jpg").touch()
    missing, empty, pattern = (str(tmp_path / n) for n in ("none", "empty", "*.gif"))
    found = list(list_inputs([missing, empty, pattern, str(tmp_path / "a.jpg")]))
    assert found[3:] == [str(tmp_path / "a.jpg")]
    assert [f.source for f in found[:3]] == [missing, empty, pattern]
    assert all(isinstance(f, Failure) and f.kind == "source" for f in found[:3])
    assert "**/*.jpg" in found[1].reason


def test_a_list_has_a_line_an_input(tmp_path):
    (tmp_path / "list.txt").write_bytes("a.jpg\r\n\n b c.png \nhttps://h/d.mp4\ne\xe9.jpg".encode())
    found = list(list_inputs([], [str(tmp_path / "list.txt")]))
    assert found == ["a.jpg", " b c.png ", "https://h/d.mp4", "eé.jpg"]
    assert next(list_inputs([], [str(tmp_path / "none.txt")])).kind == "source"


def test_an_empty_list_is_a_failure_and_no_archive_that_is_gone(tmp_path, monkeypatch):
    (tmp_path / "list.txt").write_bytes(b"\n")
    (found,) = list_inputs([], [str(tmp_path / "list.txt")])
    assert found.kind == "source"
    assert "empty" in found.reason
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    (found,) = list_inputs([], ["-"])
    assert found.source == "-"


def test_a_list_comes_on_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.jpg\nb.jpg\n")))
    assert list(list_inputs([], ["-"])) == ["a.jpg", "b.jpg"]


def test_a_long_list_is_not_held_in_memory(tmp_path):
    with (tmp_path / "list.txt").open("w") as file:
        file.writelines(f"{i}.jpg\n" for i in range(10))
    inputs = list_inputs([], [str(tmp_path / "list.txt")])
    assert next(inputs) == "0.jpg"  # the rest is read when it is wanted


def test_a_store_is_listed_as_a_folder_is(store):
    found = list(list_inputs([store]))
    assert found == [f"memory:///archive/{name}" for name in ("a.png", "b.jpg", "film.mp4")]
    assert list(list_inputs([f"{store}/**/*.jpg"])) == [
        "memory:///archive/b.jpg",
        "memory:///archive/more/c.jpg",
    ]
    assert list(list_inputs([f"{store}/b.jpg"])) == ["memory:///archive/b.jpg"]


def test_a_store_that_is_not_known_is_a_failure():
    (found,) = list_inputs(["nostore://user:secret@bucket/a"])
    assert found.kind == "source"
    assert "nostore" in found.reason
    assert "secret" not in found.reason


def test_a_folder_named_as_a_picture_is_no_input(tmp_path):
    (tmp_path / "old.jpg").mkdir()
    (tmp_path / "a.jpg").touch()
    assert list(list_inputs([str(tmp_path)])) == [str(tmp_path / "a.jpg")]
    assert list_images(tmp_path) == [tmp_path / "a.jpg"]


def test_passwords_and_bytes_of_no_encoding_are_in_no_failure():
    (failure,) = list_inputs(["nosuch://user:s3cret@host/dir"])
    assert "s3cret" not in failure.source + failure.reason
    (failure,) = list_inputs(["caf\udce9.jpg"])
    assert (failure.source + failure.reason).encode()


def test_a_malformed_url_is_a_failure():
    first, second = list_inputs(["http://[::1/x.jpg", "file://[::1/x.jpg"])
    assert isinstance(first, Failure)
    assert isinstance(second, Failure)
    assert "is no URL" in first.reason
