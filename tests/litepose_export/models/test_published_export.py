"""Checkpoints of published networks to files that run: the command line, end to end."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402

from litepose_edge import Estimator, backends  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.manifest import output_names  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.conversion import export  # noqa: E402
from litepose_export.conversion.export import ExportOptions  # noqa: E402
from litepose_export.errors import CheckpointError, ExportError  # noqa: E402
from litepose_export.models import checkpoints, manifests, networks  # noqa: E402
from paths import SHARED  # noqa: E402

REFERENCE = SHARED / "reference"
FRAME = np.random.default_rng(3).integers(0, 256, (90, 120, 3), np.uint8)
BOX = [[10, 5, 70, 85]]


def save(path, state, wrapper=None, prefix=""):
    state = {prefix + key: tensor for key, tensor in state.items()}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    return path


@pytest.fixture(scope="module")
def make_checkpoint(tmp_path_factory, filled):
    folder = tmp_path_factory.mktemp("checkpoints")

    def make(name, keypoints=17, side=64, **wrapping):
        path = folder / f"{name}-{keypoints}.pth.tar"
        network = networks.find(name).build(keypoints, Size(side, side))
        return save(path, filled(network), **wrapping)

    return make


def run_export(name, checkpoint, out, *options):
    arguments = ["export", name, "--checkpoint", str(checkpoint), "--out", str(out), *options]
    return app.run([*arguments, "--json"])


@pytest.mark.parametrize(
    ("name", "keypoints", "options"),
    [
        ("litepose-xs", 14, []),
        ("litepose-xs", 17, ["--rewrite-deconv", "--uint8-input"]),
        ("litepose-xs-dense", 17, ["--dynamic-batch", "--rewrite-deconv"]),
        ("efficientpose-a", 17, ["--rewrite-deconv", "--uint8-input"]),
        ("efficientpose-b", 16, []),
        ("simplebaseline-r50", 16, ["--rewrite-deconv"]),
        ("vitpose-s", 17, []),
        ("fasterpose-r50", 17, ["--uint8-input"]),
    ],
)
def test_a_checkpoint_becomes_a_verified_file(
    name, keypoints, options, make_checkpoint, tmp_path, capsys
):
    checkpoint = make_checkpoint(name, keypoints, wrapper="state_dict", prefix="module.")
    out = tmp_path / "m.onnx"
    size = ["--height", "64", "--width", "64"]
    assert run_export(name, checkpoint, out, *size, *options) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["tensor_difference"] <= 1e-4
    assert report["keypoints"] == keypoints
    graph = onnx.load(out).graph
    kinds = {node.op_type for node in graph.node}
    assert "BatchNormalization" not in kinds
    assert ("ConvTranspose" in kinds) == (
        "--rewrite-deconv" not in options and name != "fasterpose-r50"
    )
    tensor = graph.input[0].type.tensor_type
    shape = [d.dim_param or d.dim_value for d in tensor.shape.dim]
    batch = "N" if "--dynamic-batch" in options else 1
    uint8 = "--uint8-input" in options
    assert shape == ([batch, 64, 64, 3] if uint8 else [batch, 3, 64, 64])
    assert tensor.elem_type == (onnx.TensorProto.UINT8 if uint8 else onnx.TensorProto.FLOAT)
    manifest = backends.find_model(out).manifest
    assert [o.name for o in graph.output] == list(output_names(manifest))
    assert len(manifest.model.skeleton) == keypoints
    with Estimator(out, detector=None, min_score=0) as estimator:
        if name.startswith("litepose"):
            poses = estimator.predict(FRAME)
            assert poses.keypoints.shape == (len(poses), keypoints, 2)
            with pytest.raises(ValueError, match="bottom-up"):
                estimator.predict(FRAME, boxes_xyxy=BOX)
            tracked = estimator.tracker().update(FRAME)
            assert tracked.track_ids is not None
        else:
            poses = estimator.predict(FRAME, boxes_xyxy=BOX)
            assert poses.keypoints.shape == (1, keypoints, 2)
        assert np.isfinite(poses.keypoints).all()


@pytest.fixture(scope="module")
def efficientpose(make_checkpoint, tmp_path_factory):
    """A checkpoint of EfficientPose-A, and the file that was exported from it."""
    checkpoint, out = make_checkpoint("efficientpose-a"), tmp_path_factory.mktemp("a") / "m.onnx"
    assert run_export("efficientpose-a", checkpoint, out, "--height", "64", "--width", "64") == 0
    return checkpoint, out


def test_normalising_in_the_graph_changes_nothing(efficientpose, tmp_path):
    checkpoint, plain = efficientpose
    uint8, size = tmp_path / "uint8.onnx", ["--height", "64", "--width", "64"]
    assert run_export("efficientpose-a", checkpoint, uint8, *size, "--uint8-input") == 0
    found = []
    for out in (plain, uint8):
        with Estimator(out, detector=None) as estimator:
            found.append(estimator.predict(FRAME, boxes_xyxy=BOX))
    np.testing.assert_allclose(found[0].keypoints, found[1].keypoints, atol=0.05)


def test_a_flip_test_sees_both_sides_of_a_crop(make_checkpoint, tmp_path, capsys):
    """A mirrored frame gives the mirrored keypoints exactly, whatever the network."""
    checkpoint = make_checkpoint("fasterpose-r50")
    out = tmp_path / "m.onnx"
    assert run_export("fasterpose-r50", checkpoint, out, "--height", "64", "--width", "64") == 0
    frame = FRAME[:, :91]
    # Padded, 111 pixels in the middle of 91: a view of whole pixels, and its own mirror image.
    box = [[15, 0, 75, 88.8]]
    with Estimator(out, detector=None, flip_test=True) as estimator:
        poses = estimator.predict(frame, boxes_xyxy=box)
        other = estimator.predict(np.ascontiguousarray(frame[:, ::-1]), boxes_xyxy=box)
        flipped = list(poses.skeleton.flip_permutation)
    mirrored = other.keypoints[0, flipped] * [-1, 1] + [90, 0]
    np.testing.assert_allclose(poses.scores[0], other.scores[0, flipped], atol=1e-4)
    np.testing.assert_allclose(poses.keypoints[0], mirrored, atol=0.05)


@pytest.mark.parametrize("prefix", ["", "module.", "1.", "module.1."])
@pytest.mark.parametrize("wrapper", [None, "state_dict"])
def test_every_wrapping_of_a_checkpoint_is_undone(tmp_path, prefix, wrapper):
    path = save(tmp_path / "w.pth", {"a.weight": torch.ones(2)}, wrapper, prefix)
    assert list(checkpoints.read_state(path)) == ["a.weight"]


def test_another_size_of_the_family_is_named(make_checkpoint):
    for name, other in (("litepose-s", "litepose-xs"), ("efficientpose-b", "efficientpose-a")):
        with pytest.raises(CheckpointError, match=other):
            export.load_network(name, make_checkpoint(other), ExportOptions())


def test_keys_that_do_not_fit_are_listed_by_kind(make_checkpoint, tmp_path):
    state = checkpoints.read_state(make_checkpoint("fasterpose-r50"))
    state["other"] = state.pop("bn1.weight")
    state["bn1.bias"] = torch.zeros(3)
    del state["bn1.num_batches_tracked"]
    path = save(tmp_path / "bad.pth", state)
    with pytest.raises(CheckpointError) as raised:
        export.load_network("fasterpose-r50", path, ExportOptions())
    message = str(raised.value)
    assert "1 missing: bn1.weight" in message
    assert "1 unexpected: other" in message
    assert "bn1.bias (3,) instead of (64,)" in message
    assert "num_batches_tracked" not in message


class Trap:
    """Leaves a mark when unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (self.mark, "w"))


@pytest.mark.parametrize("kind", ["code", "truncated", "text", "empty", "numbers"])
def test_what_is_no_checkpoint_writes_nothing(kind, make_checkpoint, tmp_path, capsys):
    mark, path, out = tmp_path / "mark", tmp_path / "c.pth", tmp_path / "out" / "m.onnx"
    match kind:
        case "code":
            path.write_bytes(pickle.dumps({"state_dict": Trap(str(mark))}))
        case "truncated":
            path.write_bytes(make_checkpoint("litepose-xs").read_bytes()[:100_000])
        case "text":
            path.write_text("not a checkpoint")
        case "empty":
            path.write_bytes(b"")
        case "numbers":
            torch.save({"state_dict": {"epoch": 3}}, path)
    arguments = ["export", "litepose-xs", "--checkpoint", str(path), "--out", str(out)]
    assert app.run(arguments) == 3
    assert capsys.readouterr().err.count("error: ") == 1
    assert not mark.exists()
    assert not out.parent.exists()


def test_an_unknown_channel_order_is_asked_for_and_never_guessed(make_checkpoint, tmp_path):
    checkpoint = make_checkpoint("efficientpose-a", 16)
    with pytest.raises(ExportError, match="--colour"):
        export.load_network("efficientpose-a", checkpoint, ExportOptions())
    _, manifest = export.load_network("efficientpose-a", checkpoint, ExportOptions(colour="bgr"))
    assert manifest.input.colour == "bgr"
    assert manifest.input.size == Size(256, 256)


@pytest.mark.parametrize(
    ("name", "keypoints", "colour"),
    [
        ("efficientpose-a", 17, "bgr"),
        ("efficientpose-b", 17, "rgb"),
        ("efficientpose-b", 16, "bgr"),
        ("efficientpose-c", 16, "rgb"),
        ("litepose-s", 14, "rgb"),
    ],
)
def test_known_channel_orders_are_kept(name, keypoints, colour):
    assert manifests.manifest(networks.find(name), keypoints).input.colour == colour


def test_a_size_that_a_network_cannot_take_is_refused():
    network = networks.find("simplebaseline-r50")
    with pytest.raises(ExportError, match="multiples of 32"):
        networks.input_size_of(network, 17, 100, 256)


def test_verify_tells_the_right_checkpoint_from_another(efficientpose, tmp_path):
    checkpoint, out = efficientpose
    assert app.run(["verify", str(out), "--checkpoint", str(checkpoint)]) == 0
    state = checkpoints.read_state(checkpoint)
    state["final.2.bias"] = state["final.2.bias"] + 1
    other = save(tmp_path / "other.pth", state)
    assert app.run(["verify", str(out), "--checkpoint", str(other)]) == 3


@pytest.mark.parametrize(
    ("file", "name", "keypoints"),
    [
        ("litepose_xs_coco", "litepose-xs", 17),
        ("litepose_m_crowd_pose", "litepose-m", 14),
        ("efficientpose_a_coco", "efficientpose-a", 17),
    ],
)
def test_an_exported_file_computes_what_the_published_network_does(
    file, name, keypoints, make_checkpoint, tmp_path, capsys
):
    if not REFERENCE.is_dir():
        pytest.skip(f"no reference vectors in {REFERENCE}")
    stored = np.load(REFERENCE / f"{file}.npz")
    height, width = (int(n) for n in stored["input_hw"])
    out = tmp_path / "m.onnx"
    size = ["--height", str(height), "--width", str(width)]
    assert run_export(name, make_checkpoint(name, keypoints), out, *size) == 0
    image = np.random.default_rng(7).standard_normal((1, 3, height, width)).astype(np.float32)
    outputs = backends.open_bytes(out.read_bytes()).run(image)
    for i, output in enumerate(outputs.values()):
        assert output.shape == tuple(stored[f"shape{i}"])
        sample = output.ravel()[:: max(1, output.size // 2000)]
        assert np.abs(sample - stored[f"sample{i}"]).max() <= 2e-4 * stored[f"std{i}"]
