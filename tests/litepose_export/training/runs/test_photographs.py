"""Proofs on photographs that are not part of the project: minutes to a quarter of an hour each."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge import Estimator  # noqa: E402
from litepose_edge.backends import bundled  # noqa: E402
from litepose_edge.manifest import manifest_from_metadata  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_edge.measure.accuracy.predictions import evaluate_on_given_boxes  # noqa: E402
from litepose_export.cli.app import run  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.models.networks import CATALOGUE  # noqa: E402
from litepose_export.training.core.initialization import read_average  # noqa: E402
from litepose_export.training.core.validation import Validator  # noqa: E402
from paths import SHARED  # noqa: E402

COCO = SHARED / "data" / "coco"
SIDE_PX, LABELLED = 100, 12
# A size a family, at the smallest input it takes, and how often it sees each photograph.
FAMILIES = {
    "lrpose-n": (96, 128, 200),
    "efficientpose-a": (96, 128, 520),
    "fasterpose-r50": (96, 128, 200),
    "simplebaseline-r50": (96, 128, 200),
    "simplebaseline-r50-rmpg": (96, 128, 200),
    "hourglass": (128, 128, 150),
    "hourglass-rmpg": (128, 128, 150),
    "vitpose-s": (96, 128, 200),
    "vitpose-s-rmpg": (96, 128, 200),
    "rmpg-hierarchical-r50": (96, 128, 200),
}


@pytest.fixture
def photographs_of_coco():
    if not (COCO / "train.json").exists():
        pytest.skip("needs the training photographs, which are not part of the project")
    return COCO / "images"


def chosen(folder: Path, ids: set[int]) -> Path:
    """Some photographs of the training file, as a file of their own."""
    document = json.loads((COCO / "train.json").read_text())
    document["images"] = [e for e in document["images"] if e["id"] in ids]
    document["annotations"] = [e for e in document["annotations"] if e["image_id"] in ids]
    path = folder / "chosen.json"
    path.write_text(json.dumps(document))
    return path


def twenty_of_one_person(folder: Path) -> Path:
    """The first twenty photographs of one person each, large and well labelled."""

    def clear(image):
        sides = image.boxes_xyxy[:, 2:] - image.boxes_xyxy[:, :2]
        labelled = (image.keypoints[..., 2] > 0).sum(axis=1)
        return len(sides) == 1 and sides.min() >= SIDE_PX and labelled[0] >= LABELLED

    found = [image.image_id for image in read_coco(COCO / "train.json") if clear(image)]
    assert len(found) >= 20
    return chosen(folder, set(found[:20]))


def last_ap(folder: Path) -> float:
    rows = list(csv.DictReader((folder / "log.csv").read_text().splitlines()))
    return float(rows[-1]["ap"])


def test_every_network_of_one_persons_crop_is_among_the_families_or_their_larger_sizes():
    stems = {name.split("-")[0] for name in FAMILIES}
    crops = [entry for entry in CATALOGUE if entry.family not in ("litepose", "persondet")]
    assert {entry.name.split("-")[0] for entry in crops} == stems


@pytest.mark.slow
@pytest.mark.parametrize("network", FAMILIES)
def test_every_family_overfits_twenty_photographs(network, photographs_of_coco, tmp_path):
    width, height, epochs = FAMILIES[network]
    out, labels = tmp_path / "run", twenty_of_one_person(tmp_path)
    words = ["train", network, "--data", labels, "--dev", labels, "--out", out]
    words += ["--images", photographs_of_coco, "--augmentation", "none", "--epochs", epochs]
    words += ["--height", height, "--width", width, "--batch-size", 8]
    assert run([str(word) for word in words]) == 0
    assert last_ap(out) >= 0.9
    file = tmp_path / "out.onnx"
    words = ["export", network, "--checkpoint", out / "last.pt", "--out", file]
    assert run([str(word) for word in words]) == 0
    dataset = read_coco(labels, photographs_of_coco)
    with Estimator(file, detector=None) as estimator:
        found = evaluate_on_given_boxes(estimator, dataset, lambda: None)
    assert found.metrics.ap >= 0.9


@pytest.mark.slow
def test_thirty_photographs_do_not_cost_accuracy_on_others(photographs_of_coco, tmp_path):
    dev = read_coco(COCO / "dev.json")
    document = json.loads((COCO / "train.json").read_text())
    shown = {a["image_id"] for a in document["annotations"] if a.get("num_keypoints")}
    labels = chosen(tmp_path, set(random.Random(1).sample(sorted(shown), 30)))
    released = bundled.find("lrpose-s", "fp32")
    manifest = manifest_from_metadata(
        {e.key: e.value for e in onnx.load(released).metadata_props}, released
    )
    before = Validator(dev, manifest.input.size)(read_average(LRPose("s"), released).eval())
    words = [
        "train",
        "lrpose-s",
        "--init",
        "lrpose-s",
        "--data",
        labels,
        "--dev",
        COCO / "dev.json",
    ]
    words += ["--images", photographs_of_coco, "--epochs", 30, "--out", tmp_path / "run"]
    assert run([str(word) for word in words]) == 0
    assert last_ap(tmp_path / "run") >= before["ap"]
