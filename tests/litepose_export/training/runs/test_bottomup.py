"""Runs of bottom-up networks from the command line."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_export.cli import app  # noqa: E402
from litepose_export.models import networks  # noqa: E402
from litepose_export.models.trained import read_trained  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.distillation.hints import Hints  # noqa: E402
from litepose_export.training.distributed.processes import Processes  # noqa: E402
from litepose_export.training.runs import bottomup  # noqa: E402
from litepose_export.training.runs.options import BottomUpRunOptions  # noqa: E402
from training_samples import SILENT  # noqa: E402


def test_a_run_from_the_command_line_is_scored_recorded_and_continued(photo_dataset, tmp_path):
    out = tmp_path / "run"
    arguments = [
        "train", "litepose-xs-dense", "--data", str(photo_dataset), "--dev", str(photo_dataset),
        "--out", str(out), "--threads", "1", "--name", "ours",
    ]  # fmt: skip
    assert app.run([*arguments, "--steps", "1"]) == 0
    trained = read_trained(out / "last.pt")
    assert (trained.network, trained.name) == ("litepose-xs-dense", "ours")
    assert app.run([*arguments, "--steps", "2"]) == 0
    record = json.loads((out / "run.json").read_text())
    assert record["steps"] == 2
    assert record["schedule"]["batch"] == 16
    with (out / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert all(0 <= float(row["ap"]) <= 1 for row in rows)


def test_a_run_takes_hints_from_a_checkpoint_and_continues_with_them(
    photo_dataset, tmp_path, capsys, monkeypatch
):
    small = replace(bottomup.TRAIN_SCHEDULE, batch=4)
    monkeypatch.setattr(bottomup, "TRAIN_SCHEDULE", small)
    common = ["--data", str(photo_dataset), "--threads", "1"]
    teacher, out = tmp_path / "teacher", tmp_path / "run"
    dense = ["train", "litepose-xs-dense", *common, "--out", str(teacher), "--steps", "1"]
    assert app.run(dense) == 0
    arguments = ["train", "litepose-xs", *common, "--teacher", str(teacher / "last.pt")]
    assert app.run([*arguments, "--out", str(out), "--steps", "1"]) == 0
    assert json.loads((out / "run.json").read_text("utf-8"))["teacher"] == "last.pt"
    first = torch.load(out / "last.pt", weights_only=True)
    assert app.run([*arguments, "--out", str(out), "--steps", "2"]) == 0
    second = torch.load(out / "last.pt", weights_only=True)
    moved = {
        key: not torch.equal(value, second["helper"][key]) for key, value in first["helper"].items()
    }
    assert moved["maps.0.weight"]
    assert not any(key.startswith("hints") for key in second["average"])

    def stop(hints, part):
        raise RuntimeError(f"at {part}")

    monkeypatch.setattr(Hints, "set_progress", stop)
    with pytest.raises(RuntimeError, match=r"at 0\.1$"):  # of 20 steps, before the third
        app.run([*arguments, "--out", str(out), "--steps", "20"])
    monkeypatch.undo()
    monkeypatch.setattr(bottomup, "TRAIN_SCHEDULE", small)
    # A network of another kind has layers of the same names; its features mean nothing here.
    wrong = ["--out", str(tmp_path / "other"), "--steps", "1", "--teacher", str(out / "last.pt")]
    assert app.run(["train", "litepose-xs", *common, *wrong]) == 3
    assert "tensors fit" in capsys.readouterr().err


def test_hints_fade_in_every_process_and_not_in_the_reporting_one_alone(
    photo_dataset, tmp_path, monkeypatch
):
    teacher = tmp_path / "teacher.pt"
    dense = networks.find(networks.DENSE)
    weights = dense.build(17, dense.input_size).state_dict()
    torch.save({"average": weights}, teacher)
    told: list[float] = []
    monkeypatch.setattr(Hints, "set_progress", lambda hints, part: told.append(part))
    # As the second of several that torchrun started, but that the others are not waited for.
    monkeypatch.setattr(bottomup, "prepare", lambda options, together: Processes(rank=1))
    options = BottomUpRunOptions(
        data=(photo_dataset,),
        folder=tmp_path,
        budget=Budget(steps=2),
        teacher=teacher,
        batch=2,
    )
    bottomup.train_bottom_up("litepose-xs", options, SILENT)
    assert told == [0.0, 0.5]
