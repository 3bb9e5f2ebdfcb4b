"""Runs of LRPose on the CPU, from options to checkpoint and record."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import onnx  # noqa: E402
import torch  # noqa: E402

from litepose_edge.backends import bundled  # noqa: E402
from litepose_edge.manifest import manifest_from_metadata  # noqa: E402
from litepose_export.conversion import export  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.models import networks  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.models.released import POSE_NETWORKS  # noqa: E402
from litepose_export.training.core import initialization  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.data.augmentation import MEDIUM_NO_PASTE, WEAK  # noqa: E402
from litepose_export.training.data.distillation_targets import DistillationTargets  # noqa: E402
from litepose_export.training.data.packing import pack  # noqa: E402
from litepose_export.training.runs import pose  # noqa: E402
from litepose_export.training.runs.options import PoseRunOptions  # noqa: E402
from training_samples import SILENT  # noqa: E402


def test_a_run_of_m_starts_from_the_released_s_at_its_own_size(
    photo_dataset, tmp_path, monkeypatch
):
    small = replace(pose.PRETRAINED_SCHEDULES["train"], batch=8)
    monkeypatch.setitem(pose.PRETRAINED_SCHEDULES, "train", small)
    options = PoseRunOptions(
        data=(photo_dataset,),
        dev=photo_dataset,
        folder=tmp_path,
        budget=Budget(steps=1),
        init=bundled.find("lrpose-s", "fp32"),
        frozen=("trunk.stem", "trunk.stage_4"),
        reinit=("context",),
    )
    checkpoint = pose.train_pose("lrpose-m", options, SILENT)
    record = json.loads((checkpoint.parent / "run.json").read_text())
    assert record["frozen"] == list(options.frozen)
    assert record["schedule"]["phases"][-1]["input_size"] == {"width": 256, "height": 320}
    assert len(record["checkpoints"]) == 1
    released = initialization.read_average(LRPose("s"), options.init).trunk
    trained = initialization.read_average(LRPose("m"), checkpoint).eval().trunk
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        before, after = (trunk.stage_4(trunk.stem(images)) for trunk in (released, trained))
    torch.testing.assert_close(before, after, rtol=1e-3, atol=1e-4)


def test_only_modules_that_are_there_are_frozen_and_only_where_a_run_starts_from_weights(
    photo_dataset, tmp_path
):
    options = PoseRunOptions(
        data=(photo_dataset,), folder=tmp_path, budget=Budget(steps=1), frozen=("trunk",)
    )
    with pytest.raises(ExportError, match="--init"):
        pose.train_pose("lrpose-n", options, SILENT)
    wrong = replace(options, init=bundled.find("lrpose-s", "fp32"), frozen=("stem",))
    with pytest.raises(ExportError, match="no module 'stem'"):
        pose.train_pose("lrpose-n", wrong, SILENT)


@pytest.mark.parametrize("init", [None, Path("trained.pt")])
@pytest.mark.parametrize("size", ["s", "m"])
def test_fine_tuning_is_slower_augments_less_and_ends_on_the_first_file(size, init, tmp_path):
    input_size = networks.find(f"lrpose-{size}").input_size
    first = PoseRunOptions(data=(), folder=tmp_path, budget=Budget(steps=1), init=init)
    schedule, augmentation = pose.choose_settings(input_size, first)
    later, weaker = pose.choose_settings(input_size, replace(first, stage="finetune"))
    assert weaker.cutout < augmentation.cutout
    assert weaker.stretch <= augmentation.stretch
    assert weaker.cutmix <= augmentation.cutmix
    assert later.learning_rate < schedule.learning_rate
    assert later.first_source_only_after < schedule.first_source_only_after
    assert later.shares(0.99, 2) == (1.0, 0.0)
    assert later.phases[-1].input_size == input_size


def test_a_few_people_are_fine_tuned_on_slowly_unless_their_keypoints_are_new(tmp_path):
    input_size = networks.find("lrpose-s").input_size
    options = PoseRunOptions(
        data=(), folder=tmp_path, budget=Budget(steps=1), init=Path("trained.pt")
    )
    many, _ = pose.choose_settings(input_size, replace(options, stage="finetune"))
    few, augmentation = pose.choose_settings(input_size, options, few=True)
    assert few.learning_rate == pytest.approx(pose.FEW_RATE * many.learning_rate)
    assert few.muon_rate == pytest.approx(pose.FEW_RATE * many.muon_rate)
    assert augmentation == WEAK
    new, _ = pose.choose_settings(input_size, options, few=True, new_keypoints=True)
    assert new.learning_rate == pose.NEW_LAYER_RATE


def test_a_second_file_is_shown_with_few_people_unless_the_finetune_stage_was_asked_for(tmp_path):
    input_size = networks.find("lrpose-s").input_size
    options = PoseRunOptions(
        data=(), folder=tmp_path, budget=Budget(steps=1), init=Path("trained.pt")
    )
    few, _ = pose.choose_settings(input_size, options, few=True)
    assert few.shares(0.0, 2) == few.shares(0.65, 2) == (0.5, 0.5)
    assert few.shares(0.75, 2) == (1.0, 0.0)
    asked, _ = pose.choose_settings(input_size, replace(options, stage="finetune"), few=True)
    assert asked.shares(0.0, 2) == (1.0, 0.0)


def test_a_run_on_shards_trains_and_both_kinds_of_data_do_not_mix(people, photo_dataset, tmp_path):
    maps = np.zeros((len(people), 17, 32, 24), np.uint8)
    targets = DistillationTargets(maps, people.keypoints, people.keypoints[..., 2] > 0)
    shards = tuple(pack(people, targets, tmp_path / "shards"))

    def options(*data, teachers=()):
        return PoseRunOptions(
            data=data,
            folder=tmp_path / "run",
            budget=Budget(steps=1),
            teachers=teachers,
        )

    assert pose.train_pose("lrpose-n", options(*shards), SILENT).exists()
    with pytest.raises(ExportError, match="not both"):
        pose.train_pose("lrpose-n", options(*shards, photo_dataset), SILENT)
    with pytest.raises(ExportError, match="no --teacher"):
        pose.train_pose("lrpose-n", options(*shards, teachers=(tmp_path, tmp_path)), SILENT)


def test_a_run_takes_the_mix_the_augmentation_and_the_pace_it_is_given(
    photo_dataset, tmp_path, monkeypatch
):
    placed = []

    class Sampler(pose.CropSampler):
        def draw(self, count, input_size, shares):
            placed.append((self._options, shares))
            return super().draw(count, input_size, shares)

    monkeypatch.setattr(pose, "CropSampler", Sampler)
    options = PoseRunOptions(
        data=(photo_dataset, photo_dataset),
        dev=photo_dataset,
        folder=tmp_path,
        budget=Budget(steps=4),
        batch=4,
        mixes=((0.5, (0.25, 0.75)), (1.0, (1.0, 0.0))),
        augmentation="medium-no-paste",
        checkpoint_minutes=0.0,
    )
    checkpoint = pose.train_pose("lrpose-n", options, SILENT)
    record = json.loads((checkpoint.parent / "run.json").read_text())
    assert record["checkpoints"][0]["step"] == "1"  # not at the end only
    assert {augmentation for augmentation, _ in placed} == {MEDIUM_NO_PASTE}
    assert {shares for _, shares in placed} == {(0.25, 0.75), (1.0, 0.0)}
    wrong = replace(options, folder=tmp_path / "other", mixes=((1.0, (1.0,)),))
    with pytest.raises(ExportError, match="2 shares, one for each file"):
        pose.train_pose("lrpose-n", wrong, SILENT)


def test_thresholds_are_a_runs_own_and_ours_on_request_only(photo_dataset, tmp_path):
    options = PoseRunOptions(data=(photo_dataset,), folder=tmp_path, budget=Budget(steps=1))
    checkpoint = pose.train_pose("lrpose-n", options, SILENT)

    def task(**changes):
        return export.load_network("lrpose-n", checkpoint, export.ExportOptions(**changes))[1].model

    assert task().min_pose_score == 0.5
    assert task().flip_test_below_detected == 0
    ours = POSE_NETWORKS["lrpose-n"]
    assert task().score_calibration != ours.score_calibration
    assert task(released=True).score_calibration == ours.score_calibration
    assert task(released=True).min_pose_score == ours.min_pose_score


@pytest.mark.parametrize(("loss", "expected"), [("mse", "linear"), ("rce-place", "sigmoid")])
def test_the_exported_file_says_how_its_maps_become_heat(loss, expected, photo_dataset, tmp_path):
    options = PoseRunOptions(
        data=(photo_dataset,), folder=tmp_path, budget=Budget(steps=1), loss=loss
    )
    checkpoint = pose.train_pose("lrpose-n", options, SILENT)
    export.export("lrpose-n", checkpoint, tmp_path / "n.onnx")
    graph = onnx.load(tmp_path / "n.onnx")
    manifest = manifest_from_metadata({e.key: e.value for e in graph.metadata_props}, tmp_path)
    assert manifest.model.heatmaps.activation == expected
    bias = next(i for i in graph.graph.initializer if i.name == "predict.bias")
    # Linear heat starts at zero, logits at the odds of a joint.
    heat = np.abs(onnx.numpy_helper.to_array(bias)).max()
    assert heat < 0.1 if loss == "mse" else heat > 4
