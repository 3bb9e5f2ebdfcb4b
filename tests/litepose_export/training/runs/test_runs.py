"""Targets, losses, batches, schedules and the loop."""

from __future__ import annotations

import copy
import csv
import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge import COCO_17, geometry  # noqa: E402
from litepose_edge.backends import bundled  # noqa: E402
from litepose_edge.decoding import heatmaps  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.errors import CheckpointError, ExportError  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.training.core import initialization, loop, muon, targets  # noqa: E402
from litepose_export.training.core.loop import Budget, Trainer  # noqa: E402
from litepose_export.training.core.pose_loss import PoseLoss, TargetOptions, make_targets  # noqa: E402
from litepose_export.training.core.schedule import Phase, Schedule  # noqa: E402
from litepose_export.training.core.validation import Validator  # noqa: E402
from litepose_export.training.data import augmentation  # noqa: E402
from litepose_export.training.data.augmentation import Augmentation  # noqa: E402
from litepose_export.training.data.crop_sampler import CropSampler, Prefetcher  # noqa: E402
from litepose_export.training.data.people import load_people  # noqa: E402
from litepose_export.training.distillation import teacher  # noqa: E402
from litepose_export.training.distillation.teacher import Teaching  # noqa: E402
from litepose_export.training.runs import pose, runner  # noqa: E402

STILL = Augmentation(rotate=0, scale=(1, 1), shift=0, box_jitter=0, half_body=0, cutout=0, blur=0)


@pytest.fixture(scope="module")
def people(photo_dataset):
    return load_people([read_coco(photo_dataset)])


def test_targets_decode_to_the_points_they_were_drawn_from():
    rng = np.random.default_rng(0)
    cells = rng.uniform(2, 20, (2, 17, 2)).astype(np.float32)
    maps = targets.gaussian_maps(torch.from_numpy(cells), 24, 24, sigma=1.0)
    found, scores = heatmaps.decode_heatmaps(maps.numpy(), activation="linear", blur_kernel=1)
    np.testing.assert_allclose(found, cells, atol=1e-3)
    assert scores.min() > 0.7


@pytest.mark.parametrize("x", [-0.6, 23.6, 100])
def test_a_point_outside_the_map_is_an_empty_map(x):
    maps = targets.gaussian_maps(torch.tensor([[[x, 5.0]]]), 24, 24, sigma=1.0)
    assert maps.abs().max() == 0


def test_warped_maps_carry_their_peaks_along():
    maps = targets.gaussian_maps(torch.tensor([[[10.0, 12.0]]]), 32, 24, sigma=2.0)
    # New cell (x, y) looks at old cell (2 x + 1, y - 3).
    to_source = torch.tensor([[[2.0, 0, 1], [0, 1, -3]]])
    warped = targets.warp_maps(maps, to_source, 32, 24)[0, 0]
    y, x = divmod(int(warped.argmax()), 24)
    assert y == 15
    assert abs(2 * x + 1 - 10) <= 1


def test_widened_maps_are_wider_and_as_high():
    cells = torch.tensor([[[12.0, 16.0]]])
    widened = targets.widen_maps(targets.gaussian_maps(cells, 32, 24, 1.0), 1.0, 2.0)
    expected = targets.gaussian_maps(cells, 32, 24, 2.0)
    torch.testing.assert_close(widened, expected, atol=0.03, rtol=0)


def test_a_still_crop_puts_the_labels_where_the_runtime_would(people):
    sampler = CropSampler(people, None, STILL, seed=0)
    batch = sampler.draw(8, Size(96, 128), (1.0,))
    placed = 0
    for points in batch.points.numpy():
        for person in range(len(people)):
            to_input = geometry.crop_affine(people.boxes_xyxy[person], Size(96, 128), 1.25)
            truth = geometry.transform(to_input, people.keypoints[person, :, :2])
            mirrored = truth[list(COCO_17.flip_permutation)] * [-1, 1] + [95, 0]
            placed += any(np.allclose(points, t, atol=1e-3) for t in (truth, mirrored))
    assert placed == 8


def test_the_same_seed_draws_the_same_batches(people):
    first, second = (
        CropSampler(people, None, Augmentation(), seed=5).draw(6, Size(48, 64), (1.0,))
        for _ in range(2)
    )
    assert torch.equal(first.crops, second.crops)
    assert torch.equal(first.points, second.points)


def test_a_mirrored_crop_trades_left_for_right(people):
    rng = np.random.default_rng(0)
    seen = {
        augmentation.random_affine(rng, people.boxes_xyxy[0], Size(96, 128), STILL)[1]
        for _ in range(20)
    }
    assert seen == {True, False}


def test_the_teachers_map_lands_on_the_label(people):
    """A teacher that agrees with the labels leaves the targets' peaks where they were."""
    rows, columns = teacher.INPUT.height // 8, teacher.INPUT.width // 8
    to_teacher = geometry.crop_affine(people.boxes_xyxy, teacher.INPUT, teacher.PADDING)
    cells = (geometry.transform(to_teacher, people.keypoints[..., :2]) + 0.5) / 8 - 0.5
    heat = targets.gaussian_maps(torch.from_numpy(cells).float(), rows, columns, 1.03)
    teaching = Teaching(
        maps=(heat * 255).round().numpy().astype(np.uint8),
        keypoints=np.concatenate(
            [people.keypoints[..., :2], np.ones((len(people), 17, 1))], axis=2
        ).astype(np.float32),
        trusted=np.ones((len(people), 17), np.bool_),
    )
    sampler = CropSampler(people, teaching, Augmentation(cutout=0, half_body=0, nobody=0), seed=1)
    for size in (Size(96, 128), Size(192, 256)):
        batch = sampler.draw(8, size, (1.0,))
        own = make_targets(batch, TargetOptions(teacher_share=0))
        taught = make_targets(batch, TargetOptions(teacher_share=1))
        clear = own.amax(dim=(2, 3)) > 0.6
        at_own = own.flatten(2).argmax(dim=2)
        at_taught = taught.flatten(2).argmax(dim=2)
        width = own.shape[3]
        distance = torch.maximum(
            (at_own // width - at_taught // width).abs(), (at_own % width - at_taught % width).abs()
        )
        assert (distance[clear] <= 1).float().mean() > 0.97


def test_a_crop_of_the_background_shows_nobody_and_says_so(people):
    options = dataclasses.replace(STILL, nobody=1, colour=0)
    batch = CropSampler(people, None, options, seed=0).draw(40, Size(96, 128), (1.0,))
    empty = (batch.weights == 1).all(dim=1) & (batch.points == -1e4).all(dim=2).all(dim=1)
    assert empty.sum() >= 5
    assert make_targets(batch, TargetOptions())[empty].max() == 0
    # The drawn ground is darker than 60, the limbs are brighter.
    assert batch.crops[empty].max() <= 60


def test_a_joint_nobody_labelled_is_borrowed_from_a_trusted_teacher_only(people):
    unlabelled = people.keypoints.copy()
    unlabelled[:, :2] = 0
    blank = dataclasses.replace(people, keypoints=unlabelled)
    trusted = np.zeros((len(people), 17), np.bool_)
    trusted[:, 0] = True
    teaching = Teaching(
        np.zeros((len(people), 17, 32, 24), np.uint8),
        np.concatenate([people.keypoints[..., :2], np.ones((len(people), 17, 1))], axis=2).astype(
            np.float32
        ),
        trusted,
    )
    batch = CropSampler(blank, teaching, STILL, seed=0).draw(8, Size(96, 128), (1.0,))
    weights = batch.weights.numpy()
    assert (weights[:, 0] == 0.5).all()
    assert (weights[:, 1:3].min(axis=1) == 0).all()
    assert (weights[:, 5:] == 1).all()


def test_a_failing_sampler_fails_the_loop():
    class Broken:
        def draw(self, count, input_size, shares):
            raise RuntimeError("no data")

    prefetcher = Prefetcher(Broken())
    with pytest.raises(RuntimeError, match="no data"):
        next(prefetcher.batches(1, Size(8, 8), (1.0,)))
    prefetcher.close()


def test_a_schedule_warms_up_decays_grows_and_changes_its_data():
    schedule = Schedule()
    assert schedule.factor(0, 0) < 0.01
    assert schedule.factor(1000, 0) == pytest.approx(1)
    assert schedule.factor(1000, 1) == pytest.approx(0.01)
    heights = [schedule.phase(p).input_size.height for p in (0, 0.6, 0.9, 1)]
    assert heights == [128, 192, 256, 256]
    assert schedule.shares(0.1, 2) == (0.5, 0.5)
    assert schedule.shares(0.9, 2) == (1.0, 0.0)
    assert schedule.decay(0) < 0.2
    assert schedule.decay(10**6) == schedule.ema_decay


def test_a_held_schedule_stays_at_its_peak_and_falls_at_the_end():
    schedule = Schedule(hold=0.5)
    assert schedule.factor(1000, 0.49) == schedule.factor(1000, 0.5) == pytest.approx(1)
    assert schedule.factor(1000, 0.75) == pytest.approx(0.505)
    assert schedule.factor(1000, 1) == pytest.approx(0.01)


def test_a_pause_in_a_step_is_no_training_time(people, tmp_path, monkeypatch):
    clock = iter(range(0, 10**9, 3600))  # an hour between any two looks
    prefetcher, run = trainer(people, tmp_path, steps=2)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    run.run(on_step=lambda p: None, checkpoint_minutes=1e9)
    prefetcher.close()
    assert run.seconds <= 2 * loop.LONGEST_STEP_S + 5


FAST = Schedule(phases=(Phase(1.0, Size(96, 128)),), batch=8, warmup_steps=5, ema_decay=0.9)


def trainer(people, folder, steps, seed=0, frozen=()):
    torch.manual_seed(seed)
    prefetcher = Prefetcher(CropSampler(people, None, STILL, seed))
    return prefetcher, Trainer(
        LRPose("n"),
        batches=lambda size, shares: prefetcher.batches(FAST.batch, size, shares),
        loss=PoseLoss(),
        schedule=FAST,
        budget=Budget(steps=steps),
        folder=folder,
        frozen=frozen,
    )


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
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.slow
def test_a_network_learns_its_training_figures_by_heart(people, photo_dataset, tmp_path):
    prefetcher, run = trainer(people, tmp_path, steps=500)
    run.run(on_step=lambda p: None)
    prefetcher.close()
    assert Validator(read_coco(photo_dataset), Size(96, 128))(run.average)["ap"] > 0.9


def test_a_run_of_m_starts_from_the_released_s_at_its_own_size(photo_dataset, tmp_path):
    options = runner.RunOptions(
        data=(photo_dataset,),
        dev=photo_dataset,
        folder=tmp_path,
        budget=Budget(steps=1),
        init=bundled.find("lrpose-s", "fp32"),
        frozen=("trunk.stem", "trunk.stage_4"),
        fresh=("context",),
    )
    checkpoint = pose.train_pose("m", options, SILENT)
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


SILENT = runner.Display(lambda what, total: lambda: None, lambda p: None, lambda m: None)


def test_frozen_parts_stay_as_they_are_and_the_rest_learns(people, tmp_path):
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


def test_only_parts_that_are_there_are_frozen_and_only_where_a_run_starts_from_something(
    photo_dataset, tmp_path
):
    options = runner.RunOptions(
        data=(photo_dataset,), dev=None, folder=tmp_path, budget=Budget(steps=1), frozen=("trunk",)
    )
    with pytest.raises(ExportError, match="--init"):
        pose.train_pose("n", options, SILENT)
    wrong = dataclasses.replace(options, init=tmp_path / "s.pt", frozen=("stem",))
    with pytest.raises(ExportError, match="no part 'stem'"):
        pose.train_pose("n", wrong, SILENT)


def test_a_damaged_checkpoint_is_not_resumed(people, tmp_path):
    _, run = trainer(people, tmp_path, steps=1)
    run.checkpoint_path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"last\.pt"):
        run.resume()
    torch.save({"network": {}}, run.checkpoint_path)
    with pytest.raises(CheckpointError, match="cannot resume"):
        run.resume()


def test_a_whole_run_leaves_a_checkpoint_and_a_record(photo_dataset, tmp_path):
    options = runner.RunOptions(
        data=(photo_dataset,), dev=None, folder=tmp_path / "run", budget=Budget(steps=2)
    )
    for train in (
        lambda: pose.train_pose("n", options, SILENT),
        lambda: runner.train_detector(
            runner.RunOptions(
                data=(photo_dataset,), dev=None, folder=tmp_path / "det", budget=Budget(steps=1)
            ),
            SILENT,
        ),
    ):
        checkpoint = train()
        assert checkpoint.exists()
        record = (checkpoint.parent / "run.json").read_text()
        assert '"data_sha256"' in record


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (12, 12)])
def test_muons_update_has_singular_values_near_one(shape):
    torch.manual_seed(0)
    # The spread of a gradient's singular values is wide before and narrow after.
    matrix = torch.randn(shape) @ torch.diag(torch.logspace(0, -2, shape[1]))
    values = torch.linalg.svdvals(muon.orthogonal(matrix[None])[0])
    assert values.max() < 1.3
    assert values.median() > 0.5


def test_muon_moves_weights_of_one_shape_as_if_each_were_alone():
    torch.manual_seed(0)
    shapes = [(8, 4, 3, 3), (8, 36, 1, 1), (8, 4, 3, 3), (16, 8, 1, 1)]
    together = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    alone = [torch.nn.Parameter(weight.detach().clone()) for weight in together]
    optimizers = [muon.Muon(together), *(muon.Muon([weight]) for weight in alone)]
    for _ in range(2):
        for first, second in zip(together, alone, strict=True):
            first.grad = torch.randn_like(first)
            second.grad = first.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for first, second in zip(together, alone, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-3)


def test_muon_takes_hidden_kernels_and_adamw_the_rest():
    network = LRPose("n")
    with_muon = loop._optimizers(network, Schedule(muon_rate=0.02))
    hidden = {id(p) for group in with_muon[1].param_groups for p in group["params"]}
    names = {name for name, p in network.named_parameters() if id(p) in hidden}
    assert "trunk.stem.0.weight" not in names
    assert "predict.weight" not in names
    assert "trunk.stage_16.0.expand.0.weight" in names
    rest = sum(len(group["params"]) for group in with_muon[0].param_groups)
    assert rest + len(hidden) == len(list(network.parameters()))
    assert len(loop._optimizers(network, Schedule(muon_rate=None))) == 1


def test_muon_minimises():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(8, 4, 3, 3))
    target = torch.randn(8, 4, 3, 3)
    optimizer = muon.Muon([weight], lr=0.1)
    losses = []
    for _ in range(200):
        loss = ((weight - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses) < 0.1 * losses[0]
