"""Runs of the person detector."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_export.errors import CheckpointError  # noqa: E402
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


def test_fine_tuning_needs_weights_to_start_from(photo_dataset, tmp_path):
    options = DetectorRunOptions(
        data=(photo_dataset,), folder=tmp_path, budget=Budget(steps=1), stage="finetune"
    )
    with pytest.raises(CheckpointError, match="--init"):
        train_detector(options, SILENT)
