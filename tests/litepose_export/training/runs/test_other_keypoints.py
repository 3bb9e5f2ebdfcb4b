"""Runs on keypoints that are not a person's 17, and of networks that are not LRPose."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import onnx  # noqa: E402
import torch  # noqa: E402

from hands import NAMES, write_hands  # noqa: E402
from litepose_edge import COCO_17  # noqa: E402
from litepose_edge.backends import bundled  # noqa: E402
from litepose_edge.manifest import manifest_from_metadata  # noqa: E402
from litepose_export.cli.app import run  # noqa: E402
from litepose_export.conversion import export  # noqa: E402
from litepose_export.errors import CheckpointError, ExportError  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.training.core import initialization  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.data.packing import load_packs  # noqa: E402
from litepose_export.training.runs import pose, pose_data  # noqa: E402
from litepose_export.training.runs.options import PoseRunOptions  # noqa: E402
from training_samples import SILENT  # noqa: E402


@pytest.fixture(scope="module")
def hands(tmp_path_factory):
    return write_hands(tmp_path_factory.mktemp("hands") / "data", 3)


def command(network, data, out, *options):
    words = ["train", network, "--data", data, "--out", out, "--threads", 1, *options]
    return run([str(word) for word in words])


def manifest_of(path: Path):
    return manifest_from_metadata({e.key: e.value for e in onnx.load(path).metadata_props}, path)


def last_ap(folder: Path) -> float:
    return float(list(csv.DictReader((folder / "log.csv").open()))[-1]["ap"])


def test_a_run_starts_from_released_weights_and_its_file_says_what_it_was_made_of(hands, tmp_path):
    out = tmp_path / "run"
    options = ("--init", "lrpose-n", "--epochs", 1, "--batch-size", 2, "--height", 64, "--width")
    named = ("--data-name", "drawn hands", "--licence", "CC0-1.0", "--dev", hands)
    assert command("lrpose-n", hands, out, *options, 64, *named) == 0
    target = tmp_path / "hands.onnx"
    checkpoint = str(out / "last.pt")
    assert run(["export", "lrpose-n", "--checkpoint", checkpoint, "--out", str(target)]) == 0
    manifest = manifest_of(target)
    assert manifest.model.skeleton.keypoint_names == tuple(NAMES)
    assert (manifest.input.width, manifest.input.height) == (64, 64)
    assert manifest.training.licence == "CC0-1.0"
    assert manifest.training.data == ("drawn hands", "weights to start from: lrpose-n.fp32.onnx")
    assert manifest.training.teachers == ()


def test_the_trunk_is_kept_and_the_layer_of_predictions_is_new(hands, tmp_path):
    options = PoseRunOptions(
        data=(hands,),
        folder=tmp_path,
        budget=Budget(steps=1),
        init=initialization.find_weights(Path("lrpose-n")),
        frozen=("trunk",),
        batch=2,
    )
    checkpoint = pose.train_pose("lrpose-n", options, SILENT)
    trained = initialization.read_average(LRPose("n", 21), checkpoint)
    released = initialization.read_average(LRPose("n"), options.init)
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        ours, theirs = trained.eval().trunk(images), released.eval().trunk(images)
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-3, atol=1e-3)
    assert trained.predict.weight.shape[0] == 21


def test_weights_of_the_same_keypoints_keep_their_predictions(tmp_path):
    released = bundled.find("lrpose-s", "fp32")
    assert initialization.finds_keypoints(released, COCO_17)
    assert initialization.find_weights(Path("lrpose-s")) == released
    assert initialization.find_weights(tmp_path / "own.pt") == tmp_path / "own.pt"


def test_weights_of_no_known_name_are_refused_with_those_there_are():
    with pytest.raises(CheckpointError, match=r"lrpose-n, lrpose-s|lrpose-m"):
        initialization.find_weights(Path("lrpose-x"))


def test_files_of_different_keypoints_do_not_train_together(hands, photo_dataset, tmp_path):
    options = PoseRunOptions(
        data=(hands, photo_dataset), folder=tmp_path, budget=Budget(steps=1), batch=2
    )
    with pytest.raises(ExportError, match="other keypoints"):
        pose.train_pose("lrpose-n", options, SILENT)


def test_a_dev_file_of_other_keypoints_is_refused(hands, photo_dataset, tmp_path):
    options = PoseRunOptions(
        data=(hands,), dev=photo_dataset, folder=tmp_path, budget=Budget(steps=1), batch=2
    )
    with pytest.raises(ExportError, match="other keypoints"):
        pose.train_pose("lrpose-n", options, SILENT)


@pytest.mark.parametrize("network", ["litepose-xs", "lrpose-n --data-on-device"])
def test_a_dev_file_of_other_keypoints_is_refused_to_others_too(
    network, hands, photo_dataset, tmp_path, capsys
):
    network, *more = network.split()
    more += ["--dev", hands, "--steps", 1, "--batch-size", 2, "--device", "cpu"]
    assert command(network, photo_dataset, tmp_path / "run", *more) == 3
    assert "labels other keypoints (21)" in " ".join(capsys.readouterr().err.split())


def test_a_teacher_of_people_does_not_teach_hands(hands, tmp_path):
    options = PoseRunOptions(
        data=(hands,), folder=tmp_path, budget=Budget(steps=1), teachers=(tmp_path, tmp_path)
    )
    with pytest.raises(ExportError, match="leave out --teacher"):
        pose.train_pose("lrpose-n", options, SILENT)


def test_shards_keep_their_keypoints(hands, tmp_path):
    shards = pose_data.pack_people((hands,), tmp_path / "shards", (), SILENT)
    assert load_packs(shards).people.skeleton.keypoint_names == tuple(NAMES)


def test_an_epoch_shows_each_person_once(hands, tmp_path):
    options = PoseRunOptions(
        data=(hands,), folder=tmp_path, budget=Budget(steps=99), batch=1, epochs=2
    )
    checkpoint = pose.train_pose("lrpose-n", options, SILENT)
    assert torch.load(checkpoint, weights_only=True)["step"] == 6


def test_other_families_train_and_export_with_their_own_decoding(hands, tmp_path):
    network = "efficientpose-a"
    size = ("--height", 64, "--width", 64)
    assert command(network, hands, tmp_path, *size, "--steps", 1, "--batch-size", 2) == 0
    export.export(network, tmp_path / "last.pt", tmp_path / "out.onnx")
    manifest = manifest_of(tmp_path / "out.onnx")
    assert len(manifest.model.skeleton) == 21
    assert manifest.model.heatmaps.activation == "linear"
    assert manifest.model.heatmaps.alignment == "corner"


@pytest.mark.slow
def test_lrpose_learns_21_made_up_keypoints_of_drawn_hands(tmp_path):
    hands, out = write_hands(tmp_path / "hands", 50), tmp_path / "run"
    started = time.monotonic()
    words = ["train", "lrpose-s", "--init", "lrpose-s", "--data", hands, "--dev", hands]
    words += ["--stage", "finetune", "--height", 160, "--width", 160]
    options = ("--out", out, "--epochs", 130, "--batch-size", 25, "--threads", 2)
    assert run([str(word) for word in (*words, *options)]) == 0
    assert last_ap(out) >= 0.9
    assert time.monotonic() - started < 600
