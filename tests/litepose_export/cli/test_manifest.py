"""`litepose-export manifest`: what each kind of head takes, and what is kept."""

from __future__ import annotations

import json

import pytest

from litepose_export.cli import app


def make(out, head, *options):
    arguments = ["manifest", "--head", head, "--size", "64x64", "--out", str(out)]
    return app.run([*arguments, *options])


@pytest.mark.parametrize(
    ("head", "option"),
    [
        ("heatmaps", ["--split-ratio", "3"]),
        ("simcc", ["--alignment", "udp"]),
        ("regression", ["--refinement", "dark"]),  # its default
        ("bottom-up", ["--activation", "sigmoid"]),
        ("one-stage", ["--padding", "1.5"]),
        ("detector", ["--skeleton", "hand.json"]),
        ("heatmaps", ["--person", "0"]),
        ("heatmaps", ["--output-format", "yolox"]),
        ("detector", ["--classes", "2"]),
    ],
)
def test_an_option_of_other_heads_is_refused(head, option, tmp_path, capsys):
    out = tmp_path / "m.json"
    more = ["--output-format", "yolox"] if head == "detector" else []
    assert make(out, head, *more, *option) == 2
    assert f"{option[0]}: --head {head}" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_the_class_of_people_goes_into_the_manifest_of_a_one_stage_network(tmp_path):
    out = tmp_path / "m.json"
    options = ["--output-format", "yolo-pose", "--classes", "3", "--person", "2"]
    assert make(out, "one-stage", *options) == 0
    head = json.loads(out.read_text())["model"]["output_format"]
    assert (head["classes"], head["person"]) == (3, 2)
    assert make(out, "one-stage", "--output-format", "yolo-pose") == 0
    assert json.loads(out.read_text())["model"]["output_format"].get("person") is None


def test_a_detectors_people_are_its_first_class_unless_given(tmp_path):
    out = tmp_path / "m.json"
    for options, person in (([], 0), (["--person", "7"], 7)):
        assert make(out, "detector", "--output-format", "yolox", *options) == 0
        assert json.loads(out.read_text())["model"].get("person", 0) == person


def test_the_skeletons_file_is_not_overwritten(tmp_path, capsys):
    skeleton = tmp_path / "hand.json"
    skeleton.write_text(json.dumps({"keypoint_names": ["wrist", "thumb"]}))
    before = skeleton.read_bytes()
    assert make(skeleton, "heatmaps", "--skeleton", str(skeleton)) != 0
    assert "which is read" in " ".join(capsys.readouterr().err.split())
    assert skeleton.read_bytes() == before
