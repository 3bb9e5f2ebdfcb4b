"""Training of bottom-up networks: the loss on views, scoring without boxes, whole runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export

import litepose_edge  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_edge.testing import gaussian_heatmaps  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.models import manifests, networks  # noqa: E402
from litepose_export.models.architectures.litepose import Arch, Block, LitePose  # noqa: E402
from litepose_export.models.architectures.litepose_dense import DenseLitePose  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.quantization.gate.comparison import compare_sessions  # noqa: E402
from litepose_export.training.bottomup.associative_loss import LossWeights  # noqa: E402
from litepose_export.training.bottomup.loss_and_validation import (  # noqa: E402
    BottomUpLoss,
    BottomUpValidator,
    TorchSession,
)
from litepose_export.training.bottomup.views import STILL, ViewSampler, load_scenes  # noqa: E402
from litepose_export.training.core import initialization, loop  # noqa: E402
from litepose_export.training.core.pose_loss import normalise  # noqa: E402
from litepose_export.training.core.schedule import Schedule  # noqa: E402
from litepose_export.training.distillation.hints import Hints  # noqa: E402

LRPOSE = Path(litepose_edge.__file__).parent / "models/lrpose-s.fp32.onnx"
TINY = Arch(8, (8, 8, 8, 8), (8, 8, 8), ((Block(2, 3),),) * 4)
MANIFEST = manifests.manifest(networks.find("litepose-xs"), 17, Size(240, 240))


class Knowing(torch.nn.Module):
    """Answers with the maps that the labels of an eight-figure file ask for, as if learned."""

    def __init__(self, dataset) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        # 180x240 pictures lie in the middle of a 240x240 input.
        self._points = [image.keypoints[0, :, :2] + [30, 0] for image in dataset]
        self._asked = 0

    def forward(self, image):
        points = self._points[self._asked % len(self._points)]
        self._asked += 1
        height, width = image.shape[2:]
        fine, coarse = (
            gaussian_heatmaps((points + 0.5) / stride - 0.5, height // stride, width // stride)
            for stride in (2, 4)
        )
        tags = np.zeros_like(coarse)
        both = np.concatenate([coarse, tags])
        return torch.tensor(both)[None], torch.tensor(fine)[None]


def test_a_network_that_knows_every_joint_scores_full_marks_without_boxes(photo_dataset):
    dataset = read_coco(photo_dataset)
    score = BottomUpValidator(dataset, MANIFEST, resize="letterbox")
    network = Knowing(dataset).train()
    metrics = score(network)
    assert metrics["ap"] > 0.9
    assert network.training


def test_only_so_many_photographs_are_scored(photo_dataset):
    dataset = read_coco(photo_dataset)
    score = BottomUpValidator(dataset, MANIFEST, resize="letterbox", most=3)
    network = Knowing(dataset)
    score(network)
    assert network._asked == 3


def test_a_threshold_above_every_peak_finds_nobody(photo_dataset):
    dataset = read_coco(photo_dataset)
    score = BottomUpValidator(dataset, MANIFEST, resize="letterbox", min_peak=0.99)
    assert score(Knowing(dataset))["ap"] == 0


def test_a_pytorch_network_stands_behind_the_runtimes_seam():
    session = TorchSession(LitePose(TINY).eval(), MANIFEST)
    outputs = session.run(np.zeros((1, 3, 64, 96), np.float32))
    assert {name: maps.shape for name, maps in outputs.items()} == {
        "coarse": (1, 34, 16, 24),
        "fine": (1, 17, 32, 48),
    }


def test_a_few_steps_make_the_loss_smaller_and_gradients_reach_the_tags(photo_dataset):
    torch.manual_seed(0)
    scenes = load_scenes([read_coco(photo_dataset)])
    batch = ViewSampler(scenes, STILL, seed=0).draw(8, Size(64, 64), (1.0,))
    network = LitePose(TINY)
    loss = BottomUpLoss(LossWeights(positive=8, tags=0.01), depthwise_every=1)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        value = loss(network, batch)
        value.backward()
        optimiser.step()
        losses.append(value.item())
    assert losses[-1] < 0.7 * losses[0]
    for layer in (network.final_refined[0].conv[3], network.final_raw[0].conv[3]):
        assert layer.weight.grad[17:].abs().max() > 0


def test_depthwise_kernels_get_a_gradient_once_in_a_few_steps_and_others_always(photo_dataset):
    scenes = load_scenes([read_coco(photo_dataset)])
    batch = ViewSampler(scenes, STILL, seed=0).draw(2, Size(64, 64), (1.0,))
    network = LitePose(TINY)
    loss = BottomUpLoss(depthwise_every=3)
    depthwise, dense = network.stage[0][0].depth_conv[0], network.stage[0][0].inv[0]
    moved = []
    for _ in range(6):
        network.zero_grad(set_to_none=True)
        loss(network, batch).backward()
        assert dense.weight.grad is not None
        moved.append(depthwise.weight.grad is not None)
    assert moved == [False, False, True] * 2


def test_a_run_from_the_command_line_is_scored_recorded_and_continued(photo_dataset, tmp_path):
    out = tmp_path / "run"
    arguments = [
        "train", "litepose-xs-dense", "--data", str(photo_dataset), "--dev", str(photo_dataset),
        "--out", str(out), "--threads", "1",
    ]  # fmt: skip
    assert app.run([*arguments, "--steps", "1"]) == 0
    assert app.run([*arguments, "--steps", "2"]) == 0
    record = json.loads((out / "run.json").read_text())
    assert record["steps"] == 2
    assert record["schedule"]["batch"] == 16
    with (out / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert all(0 <= float(row["ap"]) <= 1 for row in rows)


@pytest.mark.parametrize(
    ("network", "extra"),
    [
        ("litepose-xl", []),
        ("litepose-xs", ["--teacher", "a.pt", "--teacher", "b.pt"]),
        ("persondet", ["--teacher", "a.onnx", "--teacher", "b.onnx"]),
        ("lrpose-n", ["--teacher", "a.onnx"]),
    ],
)
def test_what_cannot_be_trained_is_refused(network, extra, photo_dataset, tmp_path, capsys):
    arguments = ["train", network, "--data", str(photo_dataset), "--out", str(tmp_path / "run")]
    assert app.run([*arguments, "--steps", "1", *extra]) != 0
    assert network in capsys.readouterr().err or extra
    assert not (tmp_path / "run" / "last.pt").exists()


def test_a_dense_bottom_up_network_takes_the_trunk_of_a_released_pose_network():
    network, released = DenseLitePose("s"), LRPose("s")
    images = torch.rand(4, 3, 64, 64)
    assert initialization.start_from(network, LRPOSE, lambda n: n(images)) > 40
    initialization.start_from(released, LRPOSE, lambda n: n(images))
    with torch.no_grad():
        ours, theirs = network.eval().trunk(images), released.eval().trunk(images)
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-3, atol=1e-3)


def test_muon_leaves_a_prediction_without_a_bias_to_adamw():
    """LitePose's last layers have no bias either, and no normalisation behind them."""
    network = LitePose(TINY)
    _, by_muon = loop._optimizers(network, Schedule())
    hidden = {id(p) for group in by_muon.param_groups for p in group["params"]}
    names = {name for name, p in network.named_parameters() if id(p) in hidden}
    assert "stage.0.0.inv.0.weight" in names
    assert not any(name.startswith("final") for name in names)
    assert not any("depth_conv" in name for name in names)


def test_hints_teach_features_that_maps_alone_do_not(photo_dataset):
    torch.manual_seed(0)
    scenes = load_scenes([read_coco(photo_dataset)])
    batch = ViewSampler(scenes, STILL, seed=0).draw(8, Size(64, 64), (1.0,))
    teacher = DenseLitePose("n")
    kept = {name: value.clone() for name, value in teacher.state_dict().items()}
    errors = {}
    for hinted in (False, True):
        torch.manual_seed(1)
        network = LitePose(TINY)
        hints = Hints(network, teacher, weight=1.0)
        loss = BottomUpLoss(hints=hints if hinted else None)
        # The maps to the teacher's features are trained either way, the network by what it is told.
        optimiser = torch.optim.Adam([*network.parameters(), *hints.parameters()], lr=1e-2)
        for _ in range(30):
            optimiser.zero_grad()
            images = normalise(batch.crops)
            features = [f.detach() for f in network.features(images)]
            (hints(images, features) + loss(network, batch)).backward()
            optimiser.step()
        errors[hinted] = hints(images, network.features(images)).item()
    assert errors[True] < 0.9 * errors[False]
    # What teaches does not learn.
    assert all(torch.equal(value, kept[name]) for name, value in teacher.state_dict().items())


def test_hints_grow_faint_towards_the_end_of_a_run():
    hints = Hints(LitePose(TINY), DenseLitePose("n"), weight=0.4)
    weights = []
    for part in (0.0, 0.6, 0.71, 0.82, 1.0):
        hints.pace(part)
        weights.append(hints.weight)
    assert weights == pytest.approx([0.4, 0.4, 0.22, 0.04, 0.04])


def test_hints_ask_for_features_at_the_same_strides():
    class Coarse(DenseLitePose):
        def features(self, x):
            return [torch.nn.functional.avg_pool2d(f, 2) for f in super().features(x)]

    with pytest.raises(ExportError, match="strides"):
        Hints(LitePose(TINY), Coarse("n"))


def test_a_run_takes_hints_from_a_checkpoint_and_continues_with_them(
    photo_dataset, tmp_path, capsys, monkeypatch
):
    common = ["--data", str(photo_dataset), "--threads", "1"]
    teacher, out = tmp_path / "teacher", tmp_path / "run"
    dense = ["train", "litepose-xs-dense", *common, "--out", str(teacher), "--steps", "1"]
    assert app.run(dense) == 0
    arguments = ["train", "litepose-xs", *common, "--teacher", str(teacher / "last.pt")]
    assert app.run([*arguments, "--out", str(out), "--steps", "1"]) == 0
    assert json.loads((out / "run.json").read_text("utf-8"))["teachers"] == ["last.pt"]
    first = torch.load(out / "last.pt", weights_only=True)
    assert app.run([*arguments, "--out", str(out), "--steps", "2"]) == 0
    second = torch.load(out / "last.pt", weights_only=True)
    moved = {
        key: not torch.equal(value, second["helper"][key]) for key, value in first["helper"].items()
    }
    assert moved["maps.0.weight"]
    assert not any(key.startswith("hints") for key in second["average"])

    def faint(hints, part):
        raise RuntimeError(f"paced at {part}")

    monkeypatch.setattr(Hints, "pace", faint)
    with pytest.raises(RuntimeError, match=r"paced at 1\.0"):
        app.run([*arguments, "--out", str(out), "--steps", "20"])
    monkeypatch.undo()
    # A network of another kind has layers of the same names and would teach noise.
    wrong = ["--out", str(tmp_path / "other"), "--steps", "1", "--teacher", str(out / "last.pt")]
    assert app.run(["train", "litepose-xs", *common, *wrong]) == 3
    assert "tensors fit" in capsys.readouterr().err


class Drawn(torch.nn.Module):
    """Answers every picture of 180x240 with the maps of one person, its input being 240x320."""

    def __init__(self, points, moved_px) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self._points = points * (240 / 180) + [moved_px, 0]

    def forward(self, image):
        height, width = image.shape[2:]
        fine, coarse = (
            gaussian_heatmaps(
                (self._points + 0.5) / stride - 0.5, height // stride, width // stride
            )
            for stride in (2, 4)
        )
        both = np.concatenate([coarse, np.zeros_like(coarse)])
        return torch.tensor(both)[None], torch.tensor(fine)[None]


@pytest.mark.parametrize("size", [1.0, 0.4])
def test_the_gate_measures_shifts_by_the_photograph_and_likeness_by_the_person(photo_dataset, size):
    """Four pixels of a 240-pixel input are four cells at most, however small the person is."""
    dataset = read_coco(photo_dataset)
    points = dataset.images[0].keypoints[0, :, :2] * size + 10
    sessions = tuple(TorchSession(Drawn(points, moved), MANIFEST) for moved in (0, 4))
    figures = compare_sessions(sessions, MANIFEST, dataset, people=3)
    assert figures.people == 3
    assert figures.recall == 1
    assert figures.shift_px == pytest.approx(4 * 256 / 240, abs=0.3)
    whole = compare_sessions(
        tuple(TorchSession(Drawn(points / size, moved), MANIFEST) for moved in (0, 4)),
        MANIFEST, dataset, people=3,
    )  # fmt: skip
    assert figures.shift_px == pytest.approx(whole.shift_px, abs=0.3)
    assert (figures.oks < whole.oks - 0.05) == (size < 1)
