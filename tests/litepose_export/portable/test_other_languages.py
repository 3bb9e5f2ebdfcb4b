"""Portable files in Node, in a browser and in C++: the examples, on photographs.

What they need is taken where it is found: node, npm and its registry, Chromium, a compiler, and
ONNX Runtime's C++ headers (its release archives have them under `include/`, Debian 13 has them in
libonnxruntime-dev; `LITEPOSE_ONNXRUNTIME` names an unpacked archive).
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")
pytestmark = [pytest.mark.export, pytest.mark.slow]

from javascript import packages, served  # noqa: E402
from litepose_edge import Estimator  # noqa: E402
from litepose_export.portable import job  # noqa: E402
from paths import ROOT  # noqa: E402

EXAMPLES = ROOT / "examples"
PICTURES = 10
GREY = 90  # without people; in black the detector finds one
HEADERS = (
    Path(os.environ.get("LITEPOSE_ONNXRUNTIME", "/nowhere")) / "include",
    Path("/usr/include/onnxruntime"),
    Path("/usr/local/include/onnxruntime"),
    Path.home() / ".cache" / "litepose-edge" / "cpp" / "include",
)


@pytest.fixture(scope="module")
def people(dev_json):
    """Ten photographs with the boxes of the people in them."""
    data = json.loads(dev_json.read_text())
    boxes = {}
    for person in data["annotations"]:
        if person["num_keypoints"] >= 8:
            x, y, width, height = person["bbox"]
            boxes.setdefault(person["image_id"], []).append([x, y, x + width, y + height])
    chosen = [image for image in data["images"] if image["id"] in boxes][:PICTURES]
    folder = dev_json.parent / "images"
    return [(cv2.imread(str(folder / i["file_name"])), boxes[i["id"]]) for i in chosen]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Portable files by name: with boxes given (pose) or found (people), in BGR and RGBA."""
    folder = tmp_path_factory.mktemp("portable")
    found = {}
    for name, detector in (("pose", None), ("people", "persondet")):
        for colour in ("bgr", "rgba"):
            found[name, colour] = folder / f"{name}-{colour}.onnx"
            options = job.PortableOptions(colour=colour, detector=detector)
            job.convert("lrpose-s", found[name, colour], options)
    return found


@pytest.fixture(scope="module")
def estimator():
    with Estimator("lrpose-s", precision="int8", threads=1, flip_test=False) as opened:
        yield opened


def keypoints_of(answer):
    return np.array([person["keypoints"] for person in answer["people"]])


def check_shifts(answers, people, estimator):
    """The bar: the runtime's keypoints within half a pixel, in the median."""
    shifts = []
    for answer, (picture, boxes) in zip(answers, people, strict=True):
        expected = estimator.predict(picture, boxes_xyxy=boxes)
        found = keypoints_of(answer)
        assert found.shape == (len(boxes), 17, 3)
        assert np.median(np.abs(found[..., 2] - expected.scores)) <= 0.02
        shifts.append(np.linalg.norm(found[..., :2] - expected.keypoints, axis=2).ravel())
    assert np.median(np.concatenate(shifts)) <= 0.5


def in_node(file, frames, width, height, *more, colour="bgr"):
    command = [
        "node", EXAMPLES / "node" / "pose.mjs", "--model", file,
        "--size", f"{width}x{height}", "--channels", str(len(colour)), *more,
    ]  # fmt: skip
    folder = packages("onnxruntime-node")
    return subprocess.run(command, cwd=folder, input=frames, capture_output=True, timeout=120)


def test_node_gives_the_runtimes_keypoints(files, people, estimator):
    answers = []
    for picture, boxes in people:
        height, width = picture.shape[:2]
        done = in_node(
            files["pose", "bgr"], picture.tobytes(), width, height, "--boxes", json.dumps(boxes)
        )
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    check_shifts(answers, people, estimator)


def test_node_follows_a_film_with_the_detector_through_an_empty_frame(files, people, estimator):
    picture, _ = people[3]
    height, width = picture.shape[:2]
    frame = cv2.cvtColor(picture, cv2.COLOR_BGR2RGBA)
    film = frame.tobytes() + np.full_like(frame, GREY).tobytes() + frame.tobytes()
    done = in_node(files["people", "rgba"], film, width, height, colour="rgba")
    assert done.returncode == 0, done.stderr
    first, empty, last = map(json.loads, done.stdout.splitlines())
    assert empty["people"] == []
    assert first["people"] == last["people"]
    assert len(first["people"]) == len(estimator.predict(picture))


def test_node_says_what_is_wrong(files):
    done = in_node(files["pose", "bgr"], b"123", 20, 20, "--boxes", "[[0, 0, 9, 9]]")
    assert done.returncode == 1
    assert b"3 of 1200 bytes" in done.stderr
    done = in_node(files["pose", "bgr"], b"", 20, 0, "--boxes", "[]")
    assert done.returncode == 2
    assert b"usage" in done.stderr


def test_no_boxes_are_no_people_in_node(files):
    done = in_node(files["pose", "bgr"], bytes(1200), 20, 20, "--boxes", "[]")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["people"] == []


@pytest.fixture(scope="module")
def page(files, tmp_path_factory):
    """The example's page with its files beside it, as its head says."""
    folder = tmp_path_factory.mktemp("web")
    for source in (EXAMPLES / "web").iterdir():
        shutil.copy(source, folder)
    modules = packages("onnxruntime-web") / "node_modules"
    (folder / "node_modules").symlink_to(modules, target_is_directory=True)
    shutil.copy(files["pose", "rgba"], folder / "pose.onnx")
    shutil.copy(files["people", "rgba"], folder / "people.onnx")
    with served(folder) as pages:
        yield folder, pages


@pytest.fixture(scope="module")
def isolated(page):
    """The same folder from a server that lets pages have threads, as the example's does."""
    folder, _ = page
    headers = runpy.run_path(str(EXAMPLES / "web" / "serve.py"))["ISOLATION"]
    with served(folder, headers) as pages:
        yield folder, pages


def visit(page, picture, **options):
    folder, pages = page
    cv2.imwrite(str(folder / "picture.png"), picture)  # lossless: both see the same pixels
    return pages.visit(
        f"index.html?{urlencode({'image': 'picture.png', 'report': '/', **options})}"
    )


def test_a_browser_gives_the_runtimes_keypoints(page, people, estimator):
    answers = [
        visit(page, picture, model="pose.onnx", boxes=json.dumps(boxes))
        for picture, boxes in people
    ]
    check_shifts(answers, people, estimator)


def test_a_browser_finds_people_by_itself(page, people, estimator):
    picture, _ = people[3]
    found = visit(page, picture)
    assert len(found["people"]) == len(estimator.predict(picture))


def test_threads_in_a_browser_change_no_keypoint(page, isolated, people):
    picture, boxes = people[0]
    given = {"model": "pose.onnx", "boxes": json.dumps(boxes), "threads": 2}
    alone, both = (visit(each, picture, **given) for each in (page, isolated))
    assert (alone["threads"], both["threads"]) == (1, 2)
    assert both["people"] == alone["people"]


def test_int8_is_quicker_than_float_in_a_browser(page, people):
    folder, _ = page
    options = job.PortableOptions(colour="rgba", precision="fp32")
    job.convert("lrpose-s", folder / "float.onnx", options)
    picture, boxes = people[0]
    given = {"boxes": json.dumps(boxes[:1]), "repeat": 30}
    times = [
        min(visit(page, picture, model=m, **given)["times"]) for m in ("pose.onnx", "float.onnx")
    ]
    assert times[0] < 0.8 * times[1]


def test_a_page_says_what_is_missing(page, people):
    found = visit(page, people[0][0], model="none.onnx")
    assert "none.onnx" in found["error"] or "404" in found["error"] or "fetch" in found["error"]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The C++ example, compiled."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    headers = next((h for h in HEADERS if (h / "onnxruntime_cxx_api.h").exists()), None)
    if compiler is None or headers is None:
        pytest.skip("needs a C++ compiler and ONNX Runtime's headers (see this file's head)")
    folder = packages("onnxruntime-node") / "node_modules/onnxruntime-node/bin/napi-v6/linux/x64"
    library = folder / "libonnxruntime.so.1"
    if not library.exists():
        pytest.skip(f"needs {library}")
    target = tmp_path_factory.mktemp("cpp") / "pose"
    command = [
        compiler, "-std=c++17", "-Wall", "-Wextra", "-Werror", EXAMPLES / "cpp" / "pose.cpp",
        "-isystem", headers, library, f"-Wl,-rpath,{folder}", "-o", target,
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=300)
    return target


def in_cpp(program, file, frame, *boxes):
    height, width = frame.shape[:2]
    words = [",".join(map(str, box)) for box in boxes]
    done = subprocess.run(
        [program, file, str(width), str(height), *words],
        input=frame.tobytes(),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_cpp_gives_the_runtimes_keypoints(program, files, people, estimator):
    answers = [in_cpp(program, files["pose", "bgr"], frame, *boxes) for frame, boxes in people]
    check_shifts(answers, people, estimator)


def test_cpp_finds_people_by_itself(program, files, people, estimator):
    picture, _ = people[3]
    found = in_cpp(program, files["people", "bgr"], picture)
    assert len(found["people"]) == len(estimator.predict(picture))
    for file in (files["people", "bgr"], files["pose", "bgr"]):
        assert in_cpp(program, file, np.full_like(picture, GREY))["people"] == []
