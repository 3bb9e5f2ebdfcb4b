"""Networks of users: module to verified ONNX, from Python and from the command line."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

import litepose_export as lx  # noqa: E402
import own_networks  # noqa: E402
from litepose_edge import Estimator, Skeleton, backends  # noqa: E402
from litepose_edge.cli.app import run  # noqa: E402
from litepose_edge.errors import ManifestError  # noqa: E402
from litepose_edge.manifest import InputSpec  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.conversion import to_onnx  # noqa: E402
from litepose_export.conversion.batch_norms import take_out_batch_norms  # noqa: E402
from litepose_export.errors import (  # noqa: E402
    CheckpointError,
    ExportError,
    ParityError,
    UnsupportedOpError,
)

HAND = Skeleton(
    name="hand21",
    keypoint_names=tuple(f"joint_{i}" for i in range(21)),
    bones=((0, 1),),
    flip_pairs=(),
    oks_sigmas=(0.05,) * 21,
)
SIZE = (96, 128)
FRAME = np.random.default_rng(0).integers(0, 255, (120, 100, 3), np.uint8)
BOX = [[5, 5, 80, 110]]


def own(network, **changes):
    torch.manual_seed(0)
    return own_networks.settle(network(**changes))


CASES = {
    "heatmaps": (own_networks.Deconvolutions, lx.heatmap_manifest),
    "list": (own_networks.Squeeze, lx.heatmap_manifest),
    "simcc": (own_networks.Transformer, lx.simcc_manifest),
    "coordinates": (own_networks.MakesTensors, lx.regression_manifest),
}


@pytest.mark.parametrize("keypoints", [17, 21])
@pytest.mark.parametrize("kind", CASES)
def test_any_module_becomes_a_verified_file_that_runs(kind, keypoints, tmp_path):
    network, describe = CASES[kind]
    skeleton = {"skeleton": HAND} if keypoints == 21 else {}
    module = own(network, keypoints=keypoints)
    path = tmp_path / "own.onnx"
    report = lx.export(module, path, describe("own", input_size=SIZE, **skeleton))
    assert report.tensor_difference <= 1e-4
    assert report.keypoints == keypoints
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert "BatchNormalization" not in kinds
    poses = Estimator(path, detector=None).predict(FRAME, boxes_xyxy=BOX)
    assert poses.keypoints.shape == (1, keypoints, 2)
    assert lx.verify(path, module)["tensor"] <= 1e-4


@pytest.mark.parametrize("options", [{"dynamic_batch": True}, {"uint8_input": True}])
def test_own_networks_take_the_options_of_ours(options, tmp_path, capsys):
    manifest = lx.heatmap_manifest("own", input_size=SIZE)
    path = tmp_path / "own.onnx"
    report = lx.export(own(own_networks.Deconvolutions), path, manifest, **options)
    assert report.input == (
        "float32 (N, 3, 128, 96)" if "dynamic_batch" in options else "uint8 (1, 128, 96, 3)"
    )
    assert run(["info", str(path)]) == 0
    told = capsys.readouterr().out
    assert "for one person of 96x128 pixels" in " ".join(told.split())


def test_the_module_itself_is_not_touched(tmp_path):
    module = own(own_networks.Deconvolutions).train().half()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    lx.export(module, tmp_path / "own.onnx", lx.heatmap_manifest("own", input_size=SIZE))
    assert module.training
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_normalisations_fold_into_grouped_transposed_and_summed_layers(traced):
    class Norms(nn.Module):
        def __init__(self):
            super().__init__()
            self.grouped = nn.Conv2d(3, 6, 3, groups=3)
            self.bn1 = nn.BatchNorm2d(6)
            self.up = nn.ConvTranspose2d(6, 4, 2, 2, groups=2)
            self.side = nn.ConvTranspose2d(6, 4, 2, 2, bias=False)
            self.bn2 = nn.BatchNorm2d(4)

        def forward(self, x):
            x = self.bn1(self.grouped(x))
            return self.bn2(self.up(x) + self.side(x))

    module = own(Norms)
    before, graph = traced(module)
    assert "BatchNormalization" in {node.op_type for node in before.graph.node}
    assert {node.op_type for node in graph.graph.node} <= {
        "Conv", "ConvTranspose", "Add", "Identity",
    }  # fmt: skip
    x = torch.randn(1, 3, 8, 8)
    found = backends.open_bytes(graph.SerializeToString()).run(x.numpy())["heatmaps"]
    np.testing.assert_allclose(found, module(x).detach(), atol=1e-5)


@pytest.fixture
def traced(monkeypatch):
    """The graph of a module, with its normalisations, and without them."""

    def trace(module):
        graphs = []

        def keep(graph):
            graphs.append(onnx.ModelProto.FromString(graph.SerializeToString()))
            take_out_batch_norms(graph)
            graphs.append(graph)

        monkeypatch.setattr(to_onnx, "take_out_batch_norms", keep)
        spec = InputSpec(width=8, height=8, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))
        to_onnx.export_graph(module, spec, ["heatmaps"])
        return graphs

    return trace


def test_weights_of_nan_are_no_parity(tmp_path):
    module = own(own_networks.Deconvolutions)
    with torch.no_grad():
        module.block.project.weight.fill_(float("nan"))
    with pytest.raises(ParityError, match="NaN or infinite"):
        lx.export(module, tmp_path / "own.onnx", lx.heatmap_manifest("own", input_size=SIZE))
    assert not list(tmp_path.iterdir())


def test_outputs_that_the_manifest_does_not_read_are_named(tmp_path):
    manifest = lx.heatmap_manifest("own", input_size=SIZE, output="maps")
    with pytest.raises(ExportError, match="returns features, heatmaps; its manifest reads maps"):
        lx.export(own(own_networks.Deconvolutions), tmp_path / "o.onnx", manifest)
    with pytest.raises(ExportError, match="returns 2 outputs, its manifest reads 1"):
        lx.export(own(own_networks.Transformer), tmp_path / "o.onnx", manifest)


class Shaped(nn.Module):
    """Outputs of given shapes behind the batch's axis."""

    def __init__(self, *shapes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3, math.prod(shape)) for shape in shapes)
        self.shapes = shapes

    def forward(self, x):
        x = x.mean((2, 3))
        found = [
            layer(x).reshape(len(x), *shape)
            for layer, shape in zip(self.layers, self.shapes, strict=True)
        ]
        return found if len(found) > 1 else found[0]


YOLOX = {"output_format": "yolox"}


@pytest.mark.parametrize(
    ("describe", "options", "shapes"),
    [
        (lx.heatmap_manifest, {}, [(5, 8, 8)]),
        (lx.heatmap_manifest, {}, [(17, 64)]),
        (lx.simcc_manifest, {}, [(17, 64), (17, 64)]),
        (lx.regression_manifest, {}, [(17, 2)]),
        (lx.bottom_up_manifest, {}, [(17, 16, 16), (17, 32, 32)]),
        (lx.one_stage_manifest, {}, [(50, 84)]),
        (lx.detector_manifest, YOLOX, [(64, 6)]),
    ],
)
def test_outputs_of_other_shapes_than_the_manifests_are_refused(
    describe, options, shapes, tmp_path
):
    manifest = describe("own", input_size=(64, 64), **options)
    with pytest.raises(ExportError, match="not give what its manifest describes"):
        lx.export(Shaped(*shapes), tmp_path / "own.onnx", manifest)
    assert not list(tmp_path.iterdir())


def test_a_network_of_another_input_is_refused(tmp_path):
    manifest = lx.simcc_manifest("own", input_size=(64, 64))
    with pytest.raises(ExportError, match=r"does not take \(1, 3, 64, 64\)"):
        lx.export(own(own_networks.Transformer), tmp_path / "o.onnx", manifest)


def test_what_pytorch_cannot_export_is_said_in_one_line(tmp_path):
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 17, 4, 4)

        def forward(self, x):
            maps = self.layer(x)
            return maps if maps.sum() > 0 else -maps

    with pytest.raises(UnsupportedOpError, match="cannot export") as raised:
        lx.export(Branches(), tmp_path / "o.onnx", lx.heatmap_manifest("own", input_size=SIZE))
    assert "\n" not in str(raised.value)


def test_a_network_without_a_manifest_says_how_to_make_one(tmp_path):
    with pytest.raises(ExportError, match="heatmap_manifest"):
        lx.export(own(own_networks.Squeeze), tmp_path / "o.onnx")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"std": (0.229, 0.224, 0.225)}, "multiply"), ({"padding": 0.5}, "padding")],
)
def test_manifests_are_checked_when_they_are_made(changes, message):
    with pytest.raises(ManifestError, match=message):
        lx.heatmap_manifest("own", input_size=SIZE, **changes)


def test_statistics_follow_the_order_of_the_channels():
    rgb, bgr = (lx.heatmap_manifest("own", input_size=SIZE, colour=c) for c in ("rgb", "bgr"))
    assert rgb.input.mean == bgr.input.mean[::-1]


def test_a_detector_is_described_by_its_family():
    manifest = lx.detector_manifest("own", input_size=(416, 416), output_format="yolox")
    assert manifest.model.strides == (8, 16, 32)
    with pytest.raises(ManifestError, match="yolox"):
        lx.detector_manifest("own", input_size=(416, 416), output_format="yolo-99")


def test_a_bottom_up_network_reads_two_outputs():
    manifest = lx.bottom_up_manifest("own", input_size=(256, 256), skeleton=HAND)
    assert (manifest.model.coarse, manifest.model.fine) == ("coarse", "fine")


def test_the_command_line_exports_a_network_by_its_import_path(tmp_path, capsys):
    described, out, weights = (tmp_path / name for name in ("h.json", "h.onnx", "w.pt"))
    skeleton = tmp_path / "hand.json"
    skeleton.write_text(json.dumps({"keypoint_names": list(HAND.keypoint_names)}))
    torch.save({"model_ema": {"module": own_networks.build(21).state_dict()}}, weights)
    arguments = ["manifest", "--head", "heatmaps", "--size", "96x128", "--name", "hand21"]
    assert app.run([*arguments, "--skeleton", str(skeleton), "--out", str(described)]) == 0
    arguments = ["export", "own_networks:build", "--manifest", str(described), "--json"]
    assert app.run([*arguments, "--checkpoint", str(weights), "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    report = json.loads(said[-1])
    assert (report["network"], report["keypoints"]) == ("hand21", 21)
    assert report["weights"] == "model_ema.module"
    arguments = ["verify", str(out), "--network", "own_networks:build"]
    assert app.run([*arguments, "--checkpoint", str(weights)]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_sigterm_ends_an_export_with_143_and_leaves_the_old_file(tmp_path, monkeypatch, capsys):
    (tmp_path / "ended.py").write_text(
        "import os, signal\ndef build():\n    os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    described, out = tmp_path / "h.json", tmp_path / "o.onnx"
    out.write_bytes(b"old")
    arguments = ["manifest", "--head", "heatmaps", "--size", "96x128", "--name", "x"]
    assert app.run([*arguments, "--out", str(described)]) == 0
    arguments = ["export", "ended:build", "--manifest", str(described), "--out", str(out)]
    before = set(tmp_path.rglob("*.*"))
    assert app.run(arguments) == 143
    assert capsys.readouterr().err == "error: ended by SIGTERM\n"
    assert out.read_bytes() == b"old"
    assert not [p for p in set(tmp_path.rglob("*.*")) - before if p.suffix != ".pyc"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module_of_mine:build", "cannot import"),
        ("own_networks:nothing", "cannot import"),
        ("own_networks:__doc__", "expected a callable"),
        ("own_networks:settle", "cannot be called"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(path, message, tmp_path):
    with pytest.raises(ExportError, match=message):
        lx.export(path, tmp_path / "o.onnx", lx.heatmap_manifest("own", input_size=SIZE))


def test_the_command_line_says_what_is_missing(tmp_path, capsys):
    out = str(tmp_path / "o.onnx")
    assert app.run(["export", "own_networks:build", "--out", out]) == 3
    assert "needs a manifest" in capsys.readouterr().err
    assert app.run(["export", "lrpose-n", "--out", out]) == 2
    arguments = ["export", "own_networks:build", "--out", out]
    assert app.run([*arguments, "--manifest", str(tmp_path / "no.json")]) == 3
    assert "cannot read the manifest" in capsys.readouterr().err


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    weights = tmp_path / "w.pt"
    torch.save(own(own_networks.Squeeze).state_dict(), weights)
    manifest = lx.heatmap_manifest("own", input_size=SIZE)
    with pytest.raises(CheckpointError, match="does not fit the network"):
        lx.export(
            own(own_networks.Deconvolutions), tmp_path / "o.onnx", manifest, checkpoint=weights
        )
    assert not Path(tmp_path / "o.onnx").exists()


def test_a_detectors_list_of_boxes_varies_with_a_free_size(tmp_path):
    class Boxes(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 6, 8, 8)

        def forward(self, x):
            return self.layer(x).flatten(2).transpose(1, 2)

    manifest = lx.detector_manifest("own", input_size=(64, 64), output_format="yolox")
    model = msgspec.structs.replace(manifest.model, strides=(8,))
    manifest = msgspec.structs.replace(manifest, model=model)
    path = tmp_path / "own.onnx"
    lx.export(Boxes(), path, manifest, dynamic_size=True)
    graph = onnx.load(path).graph
    (boxes,) = graph.output
    name = f"{boxes.name}_axis_1"
    assert [d.dim_param or d.dim_value for d in boxes.type.tensor_type.shape.dim] == [1, name, 6]
    session = backends.open_bytes(path.read_bytes())
    assert session.run(np.zeros((1, 3, 128, 96), np.float32))[boxes.name].shape == (1, 192, 6)


def test_one_persons_crop_has_one_size(tmp_path):
    manifest = lx.heatmap_manifest("own", input_size=SIZE)
    with pytest.raises(ExportError, match="one person's crop"):
        lx.export(own(own_networks.Squeeze), tmp_path / "o.onnx", manifest, dynamic_size=True)


def test_of_own_networks_nothing_was_released(tmp_path):
    manifest = lx.heatmap_manifest("own", input_size=SIZE)
    with pytest.raises(ExportError, match="leave `released` out"):
        lx.export(own(own_networks.Squeeze), tmp_path / "o.onnx", manifest, released=True)
