"""Every example runs; the code of README and guides: tests/docs/test_code_blocks.py."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from example_files import example
from hands import write_hands
from litepose_edge.measure.energy.log import read_log
from paths import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*/*.py"))


def run(*arguments):
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def astronaut(photographs):
    return photographs / "astronaut.png"


def test_image_to_json(astronaut):
    document = json.loads(run(ROOT / "examples" / "pictures" / "image_to_json.py", astronaut))
    assert len(document["people"]) == 1


def test_own_boxes(astronaut, capsys):
    example("own_boxes").main(str(astronaut), ["60,0,440,511", "0,0,90,90"])
    assert capsys.readouterr().out.count("nose at") == 2


def test_draw(astronaut, tmp_path, capsys):
    target = tmp_path / "drawn.png"
    example("draw").main(str(astronaut), str(target))
    assert "1 people" in capsys.readouterr().out
    assert cv2.imread(str(target)).shape == (512, 512, 3)


def test_draw_labels(tmp_path, capsys):
    labels = write_hands(tmp_path / "hands", 2)
    example("draw_labels").main(str(labels), str(tmp_path / "drawn"))
    assert "21 keypoints" in capsys.readouterr().out
    before, after = (
        cv2.imread(str(labels.parent / "images" / "0.png")),
        cv2.imread(str(tmp_path / "drawn" / "0.png")),
    )
    assert (before != after).any()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_an_example_is_short(path):
    assert len(path.read_text().splitlines()) <= 60


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_an_example_without_arguments_says_how_it_is_called(path):
    source = path.read_text()
    if "sys.argv" not in source or path.stem == "fastapi_service":  # it has a default
        pytest.skip("takes no arguments")
    usage = ast.unparse(ast.parse(source).body[-1])
    assert "sys.exit(" in usage


def test_an_example_is_called_with_what_it_needs():
    told = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "solutions" / "zone_counter.py"), "clip.mp4"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "python zone_counter.py clip.mp4 9,9 400,9 400,300" in told.stderr


def test_track_video(photographs, tmp_path, capsys):
    picture = cv2.imread(str(photographs / "astronaut.png"))
    clip = tmp_path / "still.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (512, 512))
    for _ in range(12):
        writer.write(picture)
    writer.release()
    example("track_video").main(str(clip))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 11  # who is not sure at first sight counts from the second on
    assert all("person 1" in line for line in lines)


def test_meter_log(tmp_path):
    port, log = tmp_path / "port", tmp_path / "power.csv"
    port.write_bytes(b"5.1 V, 0.8\r\n5.02 V 0.61 A\r\nready\r\n4.98 V 1.20 A\r\n")
    time_began = time.time()
    example("meter_log").main(str(port), str(log), "voltage_v,current_a")
    found = read_log(log)
    np.testing.assert_allclose(found.watts, [5.1 * 0.8, 5.02 * 0.61, 4.98 * 1.2])
    assert abs(found.times_s[0] - time_began) < 60
