"""Networks of users in the trainer: by import path, with thresholds and a name of their own."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import onnx  # noqa: E402
from torch import nn  # noqa: E402

from hands import write_hands  # noqa: E402
from litepose_edge import Estimator  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.manifest import manifest_from_metadata  # noqa: E402
from litepose_export.cli.app import run  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.models.trained import TrainedAs, read_trained  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.runs import pose  # noqa: E402
from litepose_export.training.runs.options import PoseRunOptions  # noqa: E402
from litepose_export.training.runs.pose_network import make_pose_network  # noqa: E402
from training_samples import SILENT  # noqa: E402

NETWORK = "own_networks:Deconvolutions"


@pytest.fixture(scope="module")
def hands(tmp_path_factory):
    return write_hands(tmp_path_factory.mktemp("hands") / "data", 20)


def command(*words):
    return run([str(word) for word in words])


def test_ones_own_network_trains_exports_and_runs_without_a_manifest_given(hands, tmp_path):
    pytest.importorskip("tensorboard")
    out, file = tmp_path / "run", tmp_path / "out.onnx"
    options = ("--data", hands, "--dev", hands, "--steps", 2, "--batch-size", 2)
    size = ("--height", 64, "--width", 64, "--name", "fingers", "--tensorboard")
    assert command("train", NETWORK, *options, *size, "--out", out, "--licence", "MIT") == 0
    assert list((out / "tensorboard").glob("events*"))
    trained = read_trained(out / "last.pt")
    assert trained.network == NETWORK
    assert trained.thresholds.people == 20
    assert command("export", NETWORK, "--checkpoint", out / "last.pt", "--out", file) == 0
    manifest = manifest_from_metadata(
        {e.key: e.value for e in onnx.load(file).metadata_props}, file
    )
    assert manifest.name == "fingers"
    assert manifest.training.licence == "MIT"
    assert manifest.training.data == ("hands.json",)
    assert manifest.model.heatmaps.activation == "linear"
    assert manifest.model.min_pose_score == round(trained.thresholds.min_pose_score, 3)
    with Estimator(file, detector=None) as estimator:
        frame = np.zeros((80, 80, 3), np.uint8)
        assert estimator.predict(frame, boxes_xyxy=[[5, 5, 70, 70]]).keypoints.shape == (1, 21, 2)
    assert command("verify", file, "--checkpoint", out / "last.pt") == 0  # which names it


def test_thresholds_are_measured_anew_on_people_with_the_same_keypoints(
    hands, photo_dataset, tmp_path, capsys
):
    options = PoseRunOptions(
        data=(hands,),
        folder=tmp_path,
        budget=Budget(steps=1),
        batch=2,
        input_size=Size(64, 64),
        name="fingers",
    )
    checkpoint = pose.train_pose("lrpose-n", options, SILENT)
    assert read_trained(checkpoint).thresholds is None  # without a dev file
    file = tmp_path / "out.onnx"
    words = ("export", "lrpose-n", "--checkpoint", checkpoint, "--out", file, "--dev")
    assert command(*words, photo_dataset) == 3
    assert "17 keypoints, the network finds 21" in " ".join(capsys.readouterr().err.split())
    assert not file.exists()
    assert command(*words, hands) == 0
    model = manifest_from_metadata(
        {e.key: e.value for e in onnx.load(file).metadata_props}, file
    ).model
    assert model.min_pose_score != 0.5
    # A network that knows nothing: some keypoints are right by chance, and their scores say so.
    assert model.score_calibration is not None
    # The file's name is not the network's, which the checkpoint knows.
    assert command("verify", file, "--checkpoint", checkpoint) == 0


class NoMaps(nn.Module):
    """Gives coordinates and no maps."""

    def forward(self, x):
        return x.mean(dim=(2, 3))


class OddStride(nn.Module):
    """Gives maps whose cells do not tile the input."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, keypoints, 5, stride=4)

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize("network", ["NoMaps", "OddStride"])
def test_what_gives_no_maps_of_the_input_is_refused(network, monkeypatch, photo_dataset):
    import own_networks

    for kind in (NoMaps, OddStride):
        monkeypatch.setattr(own_networks, kind.__name__, kind, raising=False)
    with pytest.raises(ExportError, match=r"a map for each keypoint"):
        make_pose_network(f"own_networks:{network}", pose.COCO_17, Size(64, 64), TrainedAs())


def test_a_network_that_cannot_be_imported_is_one_line(photo_dataset, tmp_path, capsys):
    words = ("train", "no_such_package:build", "--data", photo_dataset, "--out", tmp_path)
    assert command(*words, "--steps", 1) == 3
    assert "cannot import 'no_such_package:build'" in capsys.readouterr().err
