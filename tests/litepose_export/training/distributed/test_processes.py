"""Several processes train as one does: real processes, started by torchrun."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export

import process_training  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.training.distributed.processes import (  # noqa: E402
    ALONE,
    Processes,
    join_processes,
)
from paths import ROOT  # noqa: E402

HELPER = ROOT / "tests" / "helpers" / "process_training.py"
STEPS = 20
COMMAND_LINE = ("--no-python", sys.executable, "-c", "from litepose_export.cli import main; main()")


@pytest.fixture(scope="module")
def batches(tmp_path_factory) -> Path:
    """Four batches of four noisy images of unlike brightness, and targets."""
    torch.manual_seed(3)
    images = torch.randn(4, 4, 3, 64, 64, dtype=torch.float64)
    images += torch.arange(4, dtype=torch.float64)[:, None, None, None]
    targets = torch.rand(4, 4, 17, 8, 8, dtype=torch.float64)
    path = tmp_path_factory.mktemp("batches") / "batches.pt"
    torch.save((images, targets), path)
    return path


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "export"), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def torchrun(processes: int, *command: str) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*start, f"--nproc-per-node={processes}", *command],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )


def farthest(a, b, part: str) -> float:
    """The largest difference of two checkpoints' tensors by their own size."""
    assert a[part].keys() == b[part].keys()
    return max(
        float((x - b[part][name]).abs().max() / x.abs().max().clamp(min=1e-3))
        for name, x in a[part].items()
        if x.is_floating_point()
    )


@pytest.fixture(scope="module")
def runs(batches, one_thread, tmp_path_factory) -> dict[str, Path]:
    """Folders of runs: one process with the whole batch, and two processes in three ways."""
    folder = tmp_path_factory.mktemp("runs")
    names = ("alone", "together", "apart", "half")
    folders = {name: folder / name for name in names}
    process_training.run(batches, folders["alone"], STEPS, synchronized=True)
    asked = (
        f"{folders['together']},{STEPS},synchronized",
        f"{folders['apart']},{STEPS},per-process",
        f"{folders['half']},{STEPS // 2},synchronized",
    )
    done = torchrun(2, str(HELPER), str(batches), *asked)
    assert done.returncode == 0, done.stderr[-2000:]
    return folders


def checkpoint(folder: Path):
    return torch.load(folder / "last.pt", weights_only=True)


def test_two_processes_equal_one_with_twice_the_batch(runs):
    alone, together = checkpoint(runs["alone"]), checkpoint(runs["together"])
    assert together["step"] == alone["step"] == STEPS
    for part in ("network", "average"):
        assert farthest(alone, together, part) < 1e-8


def test_statistics_of_each_process_alone_are_others(runs):
    assert farthest(checkpoint(runs["alone"]), checkpoint(runs["apart"]), "network") > 1e-3


def test_another_number_of_processes_continues(runs, batches):
    process_training.run(batches, runs["half"], STEPS, synchronized=True)
    assert farthest(checkpoint(runs["alone"]), checkpoint(runs["half"]), "network") < 1e-8
    with (runs["half"] / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == [str(STEPS // 2), str(STEPS)]


def test_the_command_trains_in_two_processes(photo_dataset, tmp_path):
    out = tmp_path / "run"
    command = [
        *COMMAND_LINE,
        *("train", "lrpose-n", "--data", str(photo_dataset), "--dev", str(photo_dataset)),
        *("--steps", "3", "--batch-size", "8", "--out", str(out)),
    ]
    done = torchrun(2, *command)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [str(out / "last.pt")]  # said once
    record = json.loads((out / "run.json").read_text("utf-8"))
    assert record["steps"] == 3
    with (out / "log.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 1


def test_a_bottom_up_network_trains_in_two_processes(photo_dataset, tmp_path):
    out = tmp_path / "run"
    steps = 5  # alone, depthwise kernels have a gradient in the fourth only
    command = [*COMMAND_LINE, "train", "litepose-xs", "--data", str(photo_dataset)]
    command += ["--steps", str(steps), "--batch-size", "2", "--out", str(out)]
    done = torchrun(2, *command)
    assert done.returncode == 0, done.stderr[-2000:]
    assert checkpoint(out)["step"] == steps


def test_a_batch_that_cannot_be_shared_is_refused():
    assert Processes(rank=1, count=4).share(64) == 16
    with pytest.raises(ExportError, match="--batch-size a multiple of 3"):
        Processes(count=3).share(64)


def test_each_process_draws_samples_of_its_own():
    assert ALONE.seed(7) == 7
    seeds = {Processes(rank=rank, count=3).seed(7) for rank in range(3)}
    assert len(seeds) == 3
    assert seeds == {Processes(rank=rank, count=3).seed(7) for rank in range(3)}


def test_a_process_that_torchrun_did_not_start_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join_processes("cpu") is ALONE
