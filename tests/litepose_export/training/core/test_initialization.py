"""Runs that start from a checkpoint or from a released model."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge.backends import bundled  # noqa: E402
from litepose_export.errors import CheckpointError  # noqa: E402
from litepose_export.models import checkpoints  # noqa: E402
from litepose_export.models.architectures.litepose_dense import DenseLitePose  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.models.architectures.persondet import PersonDet  # noqa: E402
from litepose_export.training.core import initialization  # noqa: E402

LRPOSE = bundled.find("lrpose-s", "fp32")


def test_a_run_starts_from_what_fits_of_another(tmp_path):
    network = LRPose("s")
    torch.save({"average": network.state_dict()}, tmp_path / "s.pt")
    detector = PersonDet()
    assert initialization.start_from(detector, tmp_path / "s.pt", lambda _: None) > 40
    torch.testing.assert_close(detector.trunk.stem[0].weight, network.trunk.stem[0].weight)
    with pytest.raises(FileNotFoundError):
        initialization.start_from(detector, tmp_path / "none.pt", lambda _: None)
    torch.save({"average": {"x": torch.zeros(1)}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="nothing"):
        initialization.start_from(detector, tmp_path / "other.pt", lambda _: None)


def test_a_released_model_starts_a_run_that_computes_the_same():
    torch.manual_seed(5)
    network = LRPose("s")
    images = torch.rand(8, 3, 256, 192)
    assert initialization.start_from(network, LRPOSE, lambda n: n(images)) == 74
    released = ort.InferenceSession(LRPOSE, providers=["CPUExecutionProvider"])
    (expected,) = released.run(None, {"image": images.numpy()})
    # Rows as long as initial ones, which is what the optimiser's steps are sized for.
    initial, taken = (n.trunk.stem[0].weight.detach() for n in (LRPose("s"), network))
    assert 0.7 < float(taken.norm() / initial.norm()) < 1.4
    with torch.no_grad():
        assert np.abs(network.eval()(images).numpy() - expected).max() < 1e-3
        # And nearly so in training, where the batch's own statistics count.
        assert np.abs(network.train()(images).numpy() - expected).max() < 0.05


def test_a_detector_takes_the_trunk_of_a_released_pose_network(tmp_path):
    detector = PersonDet()
    images = torch.rand(4, 3, 64, 64)
    before = detector.scores[0].weight.clone()
    initialization.start_from(detector, LRPOSE, lambda n: n(images))
    assert torch.equal(detector.scores[0].weight, before)
    network = LRPose("s")
    initialization.start_from(network, LRPOSE, lambda n: n(images))
    with torch.no_grad():
        ours, theirs = detector.eval().trunk(images)[0], network.eval().trunk(images)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(CheckpointError, match=r"text\.onnx"):
        initialization.start_from(detector, tmp_path / "text.onnx", lambda _: None)


def test_a_dense_bottom_up_network_takes_the_trunk_of_a_released_pose_network():
    network, released = DenseLitePose("s"), LRPose("s")
    images = torch.rand(4, 3, 64, 64)
    assert initialization.start_from(network, LRPOSE, lambda n: n(images)) > 40
    initialization.start_from(released, LRPOSE, lambda n: n(images))
    with torch.no_grad():
        ours, theirs = network.eval().trunk(images), released.eval().trunk(images)
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-3, atol=1e-3)


def test_a_module_to_reinitialise_takes_nothing(tmp_path):
    path = tmp_path / "known.pt"
    torch.save({"average": {k: v + 1 for k, v in LRPose("s").state_dict().items()}}, path)
    network = LRPose("s")
    own = network.context.back[0].weight.clone()
    everything = initialization.start_from(LRPose("s"), path, lambda n: None)
    taken = initialization.start_from(network, path, lambda n: None, reinit=("context",))
    assert torch.equal(network.context.back[0].weight, own)
    assert taken == everything - len(network.context.state_dict())


def test_metadata_of_older_checkpoints_is_read(tmp_path):
    weights = LRPose("n").state_dict()
    for key in ("metadata", "notes"):
        torch.save({"average": weights, key: {"activation": "linear"}}, tmp_path / f"{key}.pt")
        assert checkpoints.read_metadata(tmp_path / f"{key}.pt") == {"activation": "linear"}
