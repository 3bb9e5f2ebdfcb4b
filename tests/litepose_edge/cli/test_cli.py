"""The `litepose-edge` command."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from litepose_edge.cli.app import run


@pytest.fixture
def folder(tmp_path, photographs):
    source = tmp_path / "in"
    source.mkdir()
    (source / "astronaut.png").write_bytes((photographs / "astronaut.png").read_bytes())
    cv2.imwrite(str(source / "black.png"), np.zeros((60, 80, 3), np.uint8))
    return source


def test_predict_prints_one_json_document_a_line(folder, capsys):
    assert run(["predict", str(folder), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(line["people"]) for line in lines] == [1, 0]
    assert lines[0]["source"].endswith("astronaut.png")
    assert lines[0]["schema"] == 1


def test_predict_draws_into_the_folder(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["predict", str(folder / "astronaut.png"), "--save", str(out)]) == 0
    drawn = cv2.imread(str(out / "astronaut.png"))
    original = cv2.imread(str(folder / "astronaut.png"))
    assert drawn.shape == original.shape
    assert (drawn != original).any()
    assert "1 person" in capsys.readouterr().out


def test_sources_of_one_name_get_a_picture_each(tmp_path, capsys):
    for name in ("x/a.png", "y/a.png", "y/b.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "in" / name), np.zeros((60, 80, 3), np.uint8))
    out = tmp_path / "out"
    assert run(["predict", str(tmp_path / "in" / "*" / "*.png"), "--save", str(out)]) == 0
    found = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png"))
    assert found == ["x/a.png", "y/a.png", "y/b.png"]


def test_targets_that_cannot_be_written_are_one_line_and_exit_code_1(folder, tmp_path, capsys):
    (tmp_path / "file").write_text("old")
    photograph = str(folder / "black.png")
    for option, target in (
        ("--save", tmp_path / "file"),
        ("--save", tmp_path / "file" / "below"),
        ("--json-file", folder),
        ("--json-file", tmp_path / "file" / "a.jsonl"),
    ):
        assert run(["predict", photograph, option, str(target)]) == 1
        assert capsys.readouterr().err.startswith("error: cannot write")
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "in"]
    assert run(["predict", photograph, "--json-file", str(tmp_path / "file")]) == 0
    assert json.loads((tmp_path / "file").read_text())["people"] == []


def test_a_folder_that_vanishes_meanwhile_is_exit_code_1(folder, tmp_path, capsys, monkeypatch):
    from litepose_edge.cli.predict import pictures

    write = pictures.write_image

    def write_and_lose(path, *args, **options):
        write(path, *args, **options)
        shutil.rmtree(path.parent)

    monkeypatch.setattr(pictures, "write_image", write_and_lose)
    assert run(["predict", str(folder), "--save", str(tmp_path / "out")]) == 1
    assert "cannot write" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_bad_image_among_good_ones_is_exit_code_1_and_the_rest_is_done(folder, capsys):
    (folder / "bad.png").write_bytes(b"nothing")
    assert run(["predict", str(folder), "--json"]) == 1
    streams = capsys.readouterr()
    assert len(streams.out.splitlines()) == 2
    assert "bad.png" in streams.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["predict", "--help"], 0),
        (["predict"], 2),
        (["predict", "x.png", "--threads", "0"], 2),
        (["predict", "x.png", "--precision", "int4"], 2),
        (["predict", "x.png", "--min-score", "nan"], 2),
        (["predict", "x.png", "--min-score", "0.5", "--max-people", "3"], 1),  # no such file
        (["nonsense"], 2),
        (["predict", "does-not-exist.png"], 1),
        (["info", "no-such-model"], 3),
        (["info", "no/such/model.onnx"], 3),
        (["eval", "--data", "missing.json"], 1),
    ],
)
def test_exit_codes(arguments, code, capsys):
    assert run(arguments) == code
    assert "Traceback" not in capsys.readouterr().err


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "litepose_edge", "info", "lrpose-s", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)["name"]) == (0, "lrpose-s")
    assert subprocess.run([*command[:3], "nonsense"], capture_output=True).returncode == 2


@pytest.mark.parametrize(
    "option", [("--threads", "100000"), ("--threads", "0"), ("--detector-size", "5"),
               ("--detector-size", "9999"), ("--max-pixels", "0"), ("--min-score", "nan")],
)  # fmt: skip
def test_a_number_out_of_range_is_a_usage_error(folder, option, capsys):
    assert run(["predict", str(folder), *option]) == 2
    assert option[0] in capsys.readouterr().err


def test_the_detector_runs_at_the_size_asked_for(folder, capsys):
    assert run(["predict", str(folder), "--detector-size", "224", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(line["people"]) for line in lines] == [1, 0]
    assert run(["predict", str(folder), "--detector-size", "100"]) == 3
    assert "steps of 32 pixels, not 100" in " ".join(capsys.readouterr().err.split())


def test_a_model_that_cannot_be_used_is_exit_code_3(folder, tmp_path, capsys):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"x")
    assert run(["predict", str(folder), "--model", str(broken)]) == 3
    assert "broken.onnx is no ONNX file" in capsys.readouterr().err
    assert run(["predict", str(folder), "--model", "lrpose-xl"]) == 3
    assert "lrpose-s" in capsys.readouterr().err  # names what there is


def test_ctrl_c_is_exit_code_130(folder, monkeypatch):
    from litepose_edge.estimator import Estimator

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Estimator, "predict", interrupt)
    assert run(["predict", str(folder)]) == 130


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_sigterm_while_a_film_is_saved_leaves_what_was_written_and_no_other_file(tmp_path):
    clip, saved, lines = (tmp_path / name for name in ("clip.avi", "out.avi", "out.jsonl"))
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for level in range(3000):
        writer.write(np.full((48, 64, 3), level % 250, np.uint8))
    writer.release()
    command = [sys.executable, "-m", "litepose_edge", "predict", clip, "--detector-size", "224"]
    process = subprocess.Popen(
        [*command, "--save", saved, "--json-file", lines], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not any(p.stat().st_size > 20_000 for p in tmp_path.glob(".*.part.avi")):
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    message = process.communicate(timeout=60)[1]
    assert (process.returncode, message.splitlines()[-1]) == (143, "error: ended by SIGTERM")
    assert {path.name for path in tmp_path.iterdir()} == {"clip.avi", "out.avi", "out.jsonl"}
    count = cv2.VideoCapture(str(saved)).get(cv2.CAP_PROP_FRAME_COUNT)
    written = [json.loads(line)["index"] for line in lines.read_text().splitlines()]
    assert written == list(range(len(written)))
    assert 0 < len(written) < 3000
    # The signal may come between the two outputs of a frame.
    assert abs(count - len(written)) <= 1


def test_a_target_that_cannot_be_written_is_exit_code_1(folder, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert run(["predict", str(folder), "--save", str(blocked)]) == 1
    assert "cannot write" in capsys.readouterr().err


def test_demo_finds_one_person_in_each_photograph(tmp_path, photographs, capsys):
    assert run(["demo", "--out", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "astronaut: 1 person" in output
    assert "camera: 1 person" in output
    assert {p.name for p in tmp_path.iterdir()} == {"astronaut.png", "camera.png"}


def test_info_prints_the_manifest(capsys):
    assert run(["info", "lrpose-s", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["name"] == "lrpose-s"
    assert document["model"]["task"] == "topdown"
    assert run(["info", "persondet"]) == 0
    output = capsys.readouterr().out
    assert "sha256" in output
    assert "an image to the boxes of people" in output


def test_doctor_says_whether_int8_is_exact(capsys):
    assert run(["doctor"]) == 0
    output = capsys.readouterr().out
    assert "onnxruntime" in output
    assert "U8S8" in output
    assert "lrpose-s" in output


def test_a_film_and_its_lines_need_two_files(tmp_path, capsys):
    film = tmp_path / "a.mp4"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 64))
    for _ in range(3):
        writer.write(np.zeros((64, 64, 3), np.uint8))
    writer.release()
    out, lines = str(tmp_path / "out.mp4"), str(tmp_path / "out.jsonl")
    assert run(["predict", str(film), "--save", out, "--json-file", out]) == 1
    assert "two results" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert run(["predict", str(film), "--save", out, "--json-file", lines]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "out.jsonl", "out.mp4"]


def test_results_do_not_take_the_place_of_what_is_read(folder, capsys):
    photograph = min(folder.iterdir())
    before = photograph.read_bytes()
    for option in ("--json-file", "--save"):
        assert run(["predict", str(photograph), option, str(photograph)]) == 1
        assert "would take the place of" in capsys.readouterr().err
    assert photograph.read_bytes() == before
    assert run(["predict", str(photograph), "--json-file", f"{photograph}.json"]) == 0
