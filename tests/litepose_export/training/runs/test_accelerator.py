"""Runs with the training data on the device."""

from __future__ import annotations

import dataclasses
import json

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_export.cli import app  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.training.core import initialization  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.runs import accelerator  # noqa: E402
from litepose_export.training.runs.options import AcceleratorRunOptions  # noqa: E402
from training_samples import SILENT  # noqa: E402


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    small = dataclasses.replace(accelerator.ACCELERATOR_SCHEDULES["train"], batch=2)
    monkeypatch.setitem(accelerator.ACCELERATOR_SCHEDULES, "train", small)


def test_sizes_learn_together_and_are_saved_alone(photo_dataset, tmp_path):
    before = tmp_path / "before.pt"
    torch.manual_seed(3)
    known = LRPose("s")
    torch.save({"average": known.state_dict()}, before)
    arguments = ["train", "lrpose-n+lrpose-s", "--data-on-device", "--device", "cpu"]
    arguments += ["--data", str(photo_dataset), "--dev", str(photo_dataset), "--steps", "2"]
    arguments += ["--init", str(before), "--reinit", "lrpose-s.context"]
    arguments += ["--out", str(tmp_path / "run")]
    assert app.run(arguments) == 0
    for size in "ns":
        learned = initialization.read_average(LRPose(size), tmp_path / f"run/lrpose-{size}.pt")
        kernel, start = learned.trunk.stem[0].weight, known.trunk.stem[0].weight
        assert not torch.equal(kernel, start)
        torch.testing.assert_close(kernel, start, atol=0.05, rtol=0)
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["kind"] == "accelerator"
    assert record["reinit"] == ["lrpose-s.context"]
    assert float(record["checkpoints"][-1]["ap"]) >= 0


def test_each_size_starts_from_its_own_checkpoint_of_a_folder(photo_dataset, tmp_path):
    before = tmp_path / "before"
    before.mkdir()
    known = LRPose("s")
    common = ["--data", str(photo_dataset), "--steps", "1", "--device", "cpu"]
    common += ["--data-on-device", "--init", str(before), "--out", str(tmp_path / "run")]
    assert app.run(["train", "lrpose-n+lrpose-s", *common]) == 3  # the folder is empty
    torch.save({"average": known.state_dict()}, before / "lrpose-s.pt")
    assert app.run(["train", "lrpose-n+lrpose-s", *common]) == 0  # n is new
    learned = initialization.read_average(LRPose("s"), tmp_path / "run/lrpose-s.pt")
    torch.testing.assert_close(learned.predict.weight, known.predict.weight, atol=0.02, rtol=0)


def test_shards_are_refused(tmp_path):
    options = AcceleratorRunOptions(
        data=(tmp_path / "crops.npz",), folder=tmp_path, budget=Budget(steps=1)
    )
    with pytest.raises(ExportError, match="no shards"):
        accelerator.train_on_accelerator(("lrpose-s",), options, SILENT)
