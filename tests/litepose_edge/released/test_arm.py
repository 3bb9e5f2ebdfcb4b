"""The released INT8 models on ARM processors, by user-mode emulation.

Emulation proves that the numbers are right. It says nothing about speed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import arm_machine
from litepose_edge import Estimator, backends, geometry, preprocess
from litepose_edge.backends import bundled
from litepose_edge.backends.signed_activations import with_signed_activations
from litepose_edge.boxes import box_iou
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.measure.accuracy.coco_metrics import coco_metrics
from litepose_edge.measure.bench.runs.scene import draw_scene
from litepose_edge.results import coco_entry
from litepose_edge.sources import read_image
from paths import HELPERS, ROOT

pytestmark = pytest.mark.arm
SCRIPT = HELPERS / "arm_outputs.py"
# Without dot products (as a Raspberry Pi 4), with them (Raspberry Pi 5), with matrix products.
CPUS = ("cortex-a72", "cortex-a76", "max")
PEOPLE = {"astronaut": [(60, 0, 440, 511), (100, 0, 400, 300)], "camera": [(120, 60, 420, 511)]}
# All of dev: over its first 300 people AP moves by .4 points with shifts of .15 px.
DEV_PEOPLE = 876
POSE, DETECTOR = "lrpose-s", "persondet"
# And how many keypoints of the photographs score above `MIN_SCORE` at least.
OTHERS = {"lrpose-n": 70, "lrpose-m": 80}
MIN_SCORE = 0.3
UNIT_HEIGHT = 256  # shifts are in pixels of a padded box so high


@pytest.fixture(scope="session")
def machine(request):
    folder = request.config.getoption("--arm")
    found = arm_machine.find(Path(folder)) if folder else None
    if found is None:
        pytest.skip("needs the emulated ARM machine: make test-arm")
    return found


@pytest.fixture(scope="session")
def pictures(photographs, tmp_path_factory):
    """Photographs, their mirror images and drawn scenes, each with its boxes."""
    folder = tmp_path_factory.mktemp("pictures")
    images: list[tuple[str, list[list[float]]]] = []
    for name, boxes in PEOPLE.items():
        image = read_image(photographs / f"{name}.png")
        width = image.shape[1]
        mirrored = [(width - 1 - x2, y1, width - 1 - x1, y2) for x1, y1, x2, y2 in boxes]
        for kind, pixels, places in (("as-is", image, boxes), ("mirror", image[:, ::-1], mirrored)):
            path = folder / f"{name}-{kind}.png"
            cv2.imwrite(str(path), pixels)
            images.append((str(path), [list(map(float, box)) for box in places]))
    for seed in range(4):
        pixels, drawn = draw_scene(4, seed)
        path = folder / f"drawn-{seed}.png"
        cv2.imwrite(str(path), pixels)
        images.append((str(path), drawn.tolist()))
    return images


@pytest.fixture(scope="session")
def crops(pictures, tmp_path_factory):
    """The people of the pictures as the default network sees them."""
    return crops_for(POSE, pictures, tmp_path_factory.mktemp("crops"))


def crops_for(model, pictures, folder):
    """The people of the pictures as a network sees them, each an image of the input's size.

    OpenCV resizes a little differently on ARM; here both get the same pixels.
    """
    manifest = backends.find_model(model).manifest
    size, padding = manifest.input.size, manifest.model.padding
    middle = np.array([size.width - 1, size.height - 1]) / 2
    half = np.array([size.width, size.height]) / padding / 2
    box = [*(middle - half).tolist(), *(middle + half).tolist()]
    images = []
    for path, boxes in pictures:
        for view in geometry.crop_view(np.array(boxes), size, padding):
            target = folder / f"{len(images)}.png"
            cv2.imwrite(str(target), preprocess.warp(cv2.imread(path), view, size))
            images.append((str(target), [box]))
    return images


def run(command, images, folder, environment, *, model=POSE, detector=None) -> dict[str, Any]:
    """What the script finds when this command runs it."""
    job, out = folder / "job.json", folder / "out.npz"
    job.write_text(json.dumps({"model": model, "detector": detector, "images": images}))
    subprocess.run([*command, str(job), str(out)], check=True, env=environment)
    return dict(np.load(out))


def run_on_arm(machine, cpu, images, folder, **networks):
    return run(machine.command(cpu, SCRIPT), images, folder, machine.environment(), **networks)


def run_here(images, folder, **networks):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return run([sys.executable, str(SCRIPT)], images, folder, environment, **networks)


@pytest.fixture(scope="session")
def arm_form(tmp_path_factory):
    """Writes the form in which an ARM processor runs a network, for x86 to run as it is."""
    folder = tmp_path_factory.mktemp("signed")

    def write(name):
        path = folder / f"{name}.onnx"
        path.write_bytes(with_signed_activations(bundled.find(name, "int8").read_bytes()))
        return str(path)

    return write


def shifts_px(first, second, model=POSE):
    """Shifts of the keypoints that the first result scores above `MIN_SCORE`."""
    manifest = backends.find_model(model).manifest
    size = manifest.input.size
    to_input = geometry.crop_affine(first["boxes"], size, manifest.model.padding)
    scale = to_input[:, 0, 0] * UNIT_HEIGHT / size.height
    shift = np.linalg.norm(first["keypoints"] - second["keypoints"], axis=2) * scale[:, None]
    return shift[first["scores"] > MIN_SCORE]


def tell(what, shift):
    print(
        f"\n{what}: {len(shift)} joints, median {np.median(shift):.3f} px, "
        f"p95 {np.percentile(shift, 95):.3f} px, largest {shift.max():.2f} px"
    )


@pytest.fixture(scope="module", params=CPUS)
def on_arm(request, machine, crops, tmp_path_factory):
    """What one of the processors finds in the crops."""
    return run_on_arm(machine, request.param, crops, tmp_path_factory.mktemp(request.param))


def test_an_arm_processor_runs_signed_activations(on_arm):
    assert on_arm["machine"] == "aarch64"
    assert on_arm["model_file"] == f"{POSE}.int8.onnx"
    assert on_arm["scheme"] == "s8s8"
    assert on_arm["onnxruntime"] == arm_machine.PINS["onnxruntime"]


def test_an_arm_processor_finds_the_keypoints_that_x86_finds_in_the_same_form(
    on_arm, crops, tmp_path, arm_form
):
    here = run_here(crops, tmp_path, model=arm_form(POSE))
    shift = shifts_px(here, on_arm)
    tell("same form", shift)
    assert len(shift) > 100
    assert np.median(shift) <= 0.25


@pytest.mark.parametrize(("name", "least"), OTHERS.items())
def test_the_other_networks_find_on_arm_what_they_find_on_x86(
    machine, pictures, tmp_path, arm_form, name, least
):
    images = crops_for(name, pictures, tmp_path)
    there = run_on_arm(machine, "cortex-a76", images, tmp_path, model=name)
    here = run_here(images, tmp_path, model=arm_form(name))
    assert there["scheme"] == "s8s8"
    shift = shifts_px(here, there, name)
    tell(f"{name}, same form", shift)
    assert len(shift) > least
    assert np.median(shift) <= 0.25


def test_full_range_sums_are_exact_on_arm(on_arm):
    assert on_arm["exact"]


def test_the_detector_finds_the_same_people_on_arm(machine, pictures, tmp_path):
    # Held to what x86 finds with its own form: that is what users compare.
    manifest = backends.find_model(DETECTOR).manifest
    size, fill = manifest.input.size, manifest.model.fill
    images = []
    for path, _ in pictures:  # at the input's size already: see `crops`
        image = cv2.imread(path)
        view = geometry.letterbox_affine(geometry.Size.of(image), size)
        target = tmp_path / Path(path).name
        cv2.imwrite(str(target), preprocess.warp(image, view, size, fill=fill))
        images.append((str(target), None))
    there = run_on_arm(machine, "cortex-a76", images, tmp_path, detector="default")
    here = run_here(images, tmp_path, detector="default")
    np.testing.assert_array_equal(here["people"], there["people"])
    assert here["people"].sum() >= 4  # one in each photograph and its mirror image
    overlap = np.diag(box_iou(here["boxes"], there["boxes"]))
    print(f"\n{len(overlap)} boxes, smallest overlap {overlap.min():.4f}")
    assert overlap.min() > 0.98


def test_the_wheel_predicts_on_arm(machine, photographs, tmp_path):
    """The command, detector included: its box and OpenCV's crop differ a little there."""
    wheels = sorted((ROOT / "dist").glob("*.whl"))
    if not wheels:
        pytest.skip("needs the wheel: make build")
    zipfile.ZipFile(wheels[-1]).extractall(tmp_path)
    picture = photographs / "astronaut.png"
    done = subprocess.run(
        machine.command("cortex-a76", "-m", "litepose_edge", "predict", picture, "--json"),
        env={**machine.environment(), "PYTHONPATH": f"{tmp_path}{os.pathsep}{machine.wheels}"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        check=True,
    )
    (there,) = json.loads(done.stdout)["people"]
    with Estimator() as estimator:
        here = estimator.predict(read_image(picture))
    assert len(here) == 1
    box = np.array([there["box_xyxy"]], np.float32)
    assert box_iou(here.boxes_xyxy, box).item() > 0.95
    sure = here.scores[0] > MIN_SCORE
    keypoints = np.array(there["keypoints"])[:, :2]
    height = (here.boxes_xyxy[0, 3] - here.boxes_xyxy[0, 1]) * 1.25
    shift = np.linalg.norm(keypoints - here.keypoints[0], axis=1)[sure] * UNIT_HEIGHT / height
    tell("the wheel's command", shift)
    assert sure.sum() >= 8
    assert np.median(shift) < 1.5


@pytest.mark.slow
def test_average_precision_on_arm_is_that_on_x86(machine, dev_json, tmp_path, arm_form):
    images, ids = dev_people(dev_json)
    there = run_on_arm(machine, "cortex-a76", images, tmp_path)
    same = run_here(images, tmp_path, model=arm_form(POSE))
    precisions = [precision(dev_json, run, ids) for run in (there, same)]
    print("\nAP on ARM {:.4f}, on x86 {:.4f}".format(*precisions))
    shift = shifts_px(same, there)
    tell(f"{len(same['boxes'])} dev people", shift)
    assert len(same["boxes"]) >= DEV_PEOPLE
    assert np.median(shift) <= 0.25
    assert abs(precisions[0] - precisions[1]) <= 0.003


def dev_people(dev_json):
    """The first photographs with labelled people, and their ids."""
    images, ids, people = [], [], 0
    for image in read_coco(dev_json):
        labelled = (image.keypoints[..., 2] > 0).any(axis=1)
        if people < DEV_PEOPLE and labelled.any():
            images.append((str(image.path), image.boxes_xyxy[labelled].tolist()))
            ids.append(image.image_id)
            people += int(labelled.sum())
    return images, ids


def precision(dev_json, found, ids):
    """Keypoint AP of these people in their own boxes."""
    owners = np.repeat(ids, found["people"])
    entries = [
        coco_entry(int(owner), score, keypoints=points, scores=scores)
        for owner, points, scores, score in zip(
            owners, found["keypoints"], found["scores"], found["person_scores"], strict=True
        )
    ]
    return coco_metrics(dev_json, entries, "keypoints", ids).ap
