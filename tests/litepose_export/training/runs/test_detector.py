"""Runs of the person detector."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.backends import bundled  # noqa: E402
from litepose_export.errors import CheckpointError, ExportError  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.runs.detector import train_detector  # noqa: E402
from litepose_export.training.runs.options import DetectorRunOptions  # noqa: E402
from training_samples import SILENT  # noqa: E402


def test_a_whole_run_leaves_a_checkpoint_and_a_record(photo_dataset, tmp_path):
    options = DetectorRunOptions(data=(photo_dataset,), folder=tmp_path, budget=Budget(steps=1))
    checkpoint = train_detector(options, SILENT)
    assert checkpoint.exists()
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["kind"] == "detector"
    assert record["data"] == [photo_dataset.name]
    assert len(record["data_sha256"]) == 64
    assert record["steps"] == 1


def test_a_file_without_photographs_has_no_share(photo_dataset, tmp_path):
    document = json.loads(photo_dataset.read_text("utf-8"))
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps(document | {"images": [], "annotations": []}), "utf-8")
    options = DetectorRunOptions(
        data=(empty, photo_dataset), folder=tmp_path / "run", budget=Budget(steps=1), batch=2
    )
    assert train_detector(options, SILENT).exists()
    with pytest.raises(ExportError, match="nothing to train on"):
        train_detector(replace(options, data=(empty,), folder=tmp_path / "none"), SILENT)


def test_pseudo_labels_that_were_cut_are_named(photo_dataset, tmp_path):
    (tmp_path / "pseudo_labels.npz").write_bytes(b"PK")
    teacher = bundled.find("persondet", "fp32")
    options = DetectorRunOptions(
        data=(photo_dataset,), folder=tmp_path, budget=Budget(steps=1), teacher=teacher
    )
    with pytest.raises(ExportError, match=r"pseudo_labels\.npz .*remove it"):
        train_detector(options, SILENT)


def test_fine_tuning_needs_weights_to_start_from(photo_dataset, tmp_path):
    options = DetectorRunOptions(
        data=(photo_dataset,), folder=tmp_path, budget=Budget(steps=1), stage="finetune"
    )
    with pytest.raises(CheckpointError, match="--init"):
        train_detector(options, SILENT)
