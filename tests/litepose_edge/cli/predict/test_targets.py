"""Where drawings go."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from litepose_edge.cli.predict.inputs import Input
from litepose_edge.cli.predict.targets import drawing_targets
from litepose_edge.errors import OutputError


def image(name):
    return Input(name, name, film=False, file=True)


def film(name, file=True):
    return Input(name, name, film=True, file=file)


def saved(inputs, folder="out"):
    return [path.relative_to(folder).as_posix() for path in drawing_targets(inputs, Path(folder))]


def test_one_image_is_saved_as_the_file_that_is_named(tmp_path):
    for name in ("out.png", "out.JPG", "deep/out.webp"):
        assert drawing_targets([image("a.jpg")], Path(name)) == [Path(name)]
    assert drawing_targets([film("a.webm")], Path("out.mp4")) == [Path("out.mp4")]
    (tmp_path / "v1.png").mkdir()
    assert drawing_targets([image("a.jpg")], tmp_path / "v1.png") == [tmp_path / "v1.png" / "a.jpg"]


def test_names_are_kept_in_a_folder():
    inputs = [image("in/a.jpg"), image("in/b.PNG"), image("c.tiff"), film("d.mov")]
    assert saved(inputs) == ["a.jpg", "b.PNG", "c.tiff", "d.mov"]


def test_one_image_goes_into_a_folder_that_is_there_or_has_no_suffix(tmp_path):
    assert saved([image("a.jpg")]) == ["a.jpg"]
    assert saved([image("a.jpg")], "run.2") == ["a.jpg"]
    (tmp_path / "drawn.d").mkdir()
    assert saved([image("a.jpg")], tmp_path / "drawn.d") == ["a.jpg"]


def test_what_cannot_be_written_in_its_own_format_becomes_png_or_mp4():
    inputs = [image("a.heic"), image("b"), film("c.webm"), film("d.gif")]
    assert saved(inputs) == ["a.png", "b.png", "c.mp4", "d.mp4"]


def test_sources_without_a_file_get_a_name():
    inputs = [
        film("0", file=False),
        film("/dev/video1", file=False),
        film("rtsp://user:secret@camera/stream/1.sdp", file=False),
        film("http://camera:8080/", file=False),
        Input("/tmp/x/stdin", "-", film=False, file=False),
    ]
    assert saved(inputs) == ["camera0.mp4", "video1.mp4", "1.mp4", "camera.mp4", "stdin.png"]


def test_names_that_repeat_lie_below_their_folders_or_get_another_one():
    assert saved([image("x/a.png"), image("y/a.png")]) == ["x/a.png", "y/a.png"]
    assert saved([image("a.heic"), image("a.png")]) == ["a.heic.png", "a.png"]
    assert saved([film("0", file=False), film("camera0.mp4")]) == ["camera0.mp4", "camera0-2.mp4"]


@pytest.mark.parametrize(
    ("inputs", "save", "said"),
    [
        ([image("a.jpg"), image("b.jpg")], "out.png", "there are 2 inputs: give a folder"),
        ([image("a.jpg")], "out.mp4", "a.jpg is an image"),
        ([film("a.mp4")], "out.png", "a.mp4 is a film"),
        ([image("a.jpg")], "out/a.tiff2", "ends as no picture does"),
    ],
)
def test_a_file_for_what_does_not_fit_into_it_is_a_usage_error(inputs, save, said):
    with pytest.raises(typer.BadParameter, match=said):
        drawing_targets(inputs, Path(save))


def test_a_drawing_never_takes_the_place_of_its_source(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path)
    photographs = [image(str(tmp_path / "a.jpg")), image(str(tmp_path / "b.jpg"))]
    for folder in (tmp_path, tmp_path / "link"):
        with pytest.raises(OutputError, match="would take the place of"):
            drawing_targets(photographs, folder)
    with pytest.raises(OutputError, match="would take the place of"):
        drawing_targets(photographs[:1], tmp_path / "a.jpg")
    assert drawing_targets(photographs, tmp_path / "drawn") == [
        tmp_path / "drawn" / "a.jpg", tmp_path / "drawn" / "b.jpg",
    ]  # fmt: skip
