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
from litepose_export.models.trained import read_trained  # noqa: E402
from litepose_export.training.core import initialization  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.core.schedule import Schedule  # noqa: E402
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


def test_the_name_of_a_run_goes_into_its_checkpoint(photo_dataset, tmp_path):
    options = AcceleratorRunOptions(
        data=(photo_dataset,), folder=tmp_path, budget=Budget(steps=1), name="ours"
    )
    accelerator.train_on_accelerator(("lrpose-n",), options, SILENT)
    trained = read_trained(tmp_path / "lrpose-n.pt")
    assert (trained.network, trained.name) == ("lrpose-n", "ours")


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


@pytest.mark.parametrize(
    ("files", "unlabelled", "expected"),
    [
        (1, False, ((1.0,), (1.0,))),
        (1, True, ((0.9, 0.1), (0.9, 0.1))),
        (2, True, ((0.5, 0.4, 0.1), (0.75, 0.15, 0.1))),
        (3, True, ((0.5, 0.2, 0.2, 0.1), (0.75, 0.075, 0.075, 0.1))),
        (4, False, ((5 / 9, *[4 / 27] * 3), (5 / 6, *[1 / 18] * 3))),
        (0, True, ((1.0,), (1.0,))),
    ],
)
def test_a_mix_has_a_share_of_every_source(files, unlabelled, expected):
    schedule = Schedule(mixes=accelerator.default_mixes("train", files, unlabelled=unlabelled))
    for progress, shares in zip((0.3, 0.9), expected, strict=True):
        assert schedule.shares(progress, files + unlabelled) == pytest.approx(shares)
    last = Schedule(mixes=accelerator.default_mixes("finetune", files, unlabelled=unlabelled))
    only_first = (1.0, *[0.0] * (files + unlabelled - 1))
    assert last.shares(0.3, files + unlabelled) == pytest.approx(only_first)


def test_four_files_train_together(photo_dataset, tmp_path):
    arguments = ["train", "lrpose-n", "--data-on-device", "--device", "cpu", "--steps", "1"]
    arguments += ["--data", str(photo_dataset)] * 4 + ["--augmentation", "none"]
    assert app.run([*arguments, "--out", str(tmp_path / "run")]) == 0
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert [len(shares) for _, shares in record["schedule"]["mixes"]] == [4, 4]


class NoJoints(torch.nn.Module):
    """A teacher that finds nothing."""

    def __init__(self, path):
        super().__init__()

    def forward(self, images):
        return images.new_zeros(len(images), 17, 64, 48)


@pytest.mark.parametrize(("mix", "exit_code"), [("1:1", 0), ("1:0.5,0.5", 3)])
def test_people_without_keypoints_have_a_share_only_where_there_are_any(
    mix, exit_code, photo_dataset, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(accelerator, "IRNetwork", NoJoints)
    monkeypatch.setattr(accelerator, "teacher_alignment", lambda path: "corner")
    arguments = ["train", "lrpose-n", "--data-on-device", "--device", "cpu", "--steps", "1"]
    arguments += ["--data", str(photo_dataset), "--teacher", "t.xml", "--mix", mix]
    arguments += ["--augmentation", "none", "--out", str(tmp_path / "run")]
    assert app.run(arguments) == exit_code
    if exit_code:
        assert "needs 1 shares" in " ".join(capsys.readouterr().err.split())


def test_shards_are_refused(tmp_path):
    options = AcceleratorRunOptions(
        data=(tmp_path / "crops.npz",), folder=tmp_path, budget=Budget(steps=1)
    )
    with pytest.raises(ExportError, match="no shards"):
        accelerator.train_on_accelerator(("lrpose-s",), options, SILENT)
