"""The training loop: learning, resuming, logging, frozen modules."""

from __future__ import annotations

import copy
import csv
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.errors import CheckpointError  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.training.core import loop  # noqa: E402
from litepose_export.training.core.loop import Budget, Trainer  # noqa: E402
from litepose_export.training.core.pose_loss import PoseLoss  # noqa: E402
from litepose_export.training.core.schedule import Phase, Schedule  # noqa: E402
from litepose_export.training.core.validation import Validator  # noqa: E402
from litepose_export.training.data.crop_sampler import CropSampler  # noqa: E402
from litepose_export.training.data.prefetcher import Prefetcher  # noqa: E402
from training_samples import PLAIN  # noqa: E402

FAST = Schedule(phases=(Phase(1.0, Size(96, 128)),), batch=8, warmup_steps=5, ema_decay=0.9)


def trainer(people, folder, steps, seed=0, **options):
    torch.manual_seed(seed)
    prefetcher = Prefetcher(CropSampler(people, None, PLAIN, seed))
    return prefetcher, Trainer(
        LRPose("n"),
        batches=lambda size, shares: prefetcher.batches(FAST.batch, size, shares),
        loss=PoseLoss(),
        schedule=FAST,
        budget=Budget(steps=steps),
        folder=folder,
        **options,
    )


def test_a_pause_in_a_step_is_no_training_time(people, tmp_path, monkeypatch):
    clock = iter(range(0, 10**9, 3600))  # an hour between any two readings
    prefetcher, run = trainer(people, tmp_path, steps=2)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    run.run(on_step=lambda p: None, checkpoint_minutes=1e9)
    prefetcher.close()
    assert run.seconds <= 2 * loop.LONGEST_STEP_S + 5


def test_training_learns_resumes_and_logs(people, photo_dataset, tmp_path):
    losses: list[float] = []
    prefetcher, first = trainer(people, tmp_path, steps=60)
    first.run(on_step=lambda p: losses.append(p.loss))
    prefetcher.close()
    assert losses[-1] < 0.6 * losses[0]
    prefetcher, second = trainer(people, tmp_path, steps=80, seed=1)
    assert second.resume()
    assert second.step == 60
    for ours, theirs in zip(second.network.parameters(), first.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    validator = Validator(read_coco(photo_dataset), Size(96, 128))
    second.run(on_step=lambda p: None, evaluate=validator)
    prefetcher.close()
    assert second.step == 80
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["60", "80"]
    assert 0 <= float(rows[1]["ap"]) <= 1
    assert float(rows[1]["worst_px"]) >= abs(float(rows[1]["down_px"]))
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.slow
def test_a_network_overfits_its_training_figures(people, photo_dataset, tmp_path):
    prefetcher, run = trainer(people, tmp_path, steps=500)
    run.run(on_step=lambda p: None)
    prefetcher.close()
    assert Validator(read_coco(photo_dataset), Size(96, 128))(run.average)["ap"] > 0.9


def test_frozen_modules_stay_as_they_are_and_the_rest_learns(people, tmp_path):
    prefetcher, run = trainer(people, tmp_path, steps=3, frozen=("trunk.stem", "trunk.stage_4"))
    before = copy.deepcopy(run.network.state_dict())
    run.run(on_step=lambda p: None)
    prefetcher.close()
    for network in (run.network, run.average):
        for name, value in network.state_dict().items():
            if name.endswith("num_batches_tracked"):  # which averages leave out
                continue
            kept = name.startswith(("trunk.stem.", "trunk.stage_4."))
            assert torch.equal(value, before[name]) is kept, name


def test_statistics_of_normalisations_can_stay_as_they_are(people, tmp_path):
    # The stage at stride 32 starts silent: its first layers have a gradient from the third step on.
    prefetcher, run = trainer(people, tmp_path, steps=6, frozen_statistics=True)
    before = copy.deepcopy(run.network.state_dict())
    run.run(on_step=lambda p: None)
    prefetcher.close()
    for name, value in run.network.state_dict().items():
        kept = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        assert torch.equal(value, before[name]) is kept, name


def test_a_damaged_checkpoint_is_not_resumed(people, tmp_path):
    _, run = trainer(people, tmp_path, steps=1)
    run.checkpoint_path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"last\.pt"):
        run.resume()
    torch.save({"network": {}}, run.checkpoint_path)
    with pytest.raises(CheckpointError, match="cannot resume"):
        run.resume()


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_a_budget_of_no_time_or_without_end_is_refused(minutes):
    assert Budget(minutes=0.5).progress(0, 15) == 0.5
    with pytest.raises(ValueError, match="minutes must be finite and above 0"):
        Budget(minutes=minutes)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        Budget(steps=0)
