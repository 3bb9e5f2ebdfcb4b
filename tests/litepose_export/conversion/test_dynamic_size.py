"""Files of free height and width: exported, checked, run at any size."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402

from litepose_edge import BottomUpOptions, Estimator  # noqa: E402
from litepose_edge.backends import find_model, open_bytes  # noqa: E402
from litepose_edge.cli import app as edge_app  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.manifest import (  # noqa: E402
    IMAGENET_MEAN,
    IMAGENET_STD,
    InputSpec,
    manifest_from_metadata,
)
from litepose_edge.pipelines.bottomup import BottomUp  # noqa: E402
from litepose_edge.pipelines.detector import PersonDetector  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.conversion import export as conversion  # noqa: E402
from litepose_export.conversion.storage import store  # noqa: E402
from litepose_export.conversion.to_onnx import GraphOptions, export_graph  # noqa: E402
from litepose_export.models import networks  # noqa: E402
from litepose_export.models.architectures.litepose import Arch, Block, LitePose  # noqa: E402

RNG = np.random.default_rng(5)
SPEC = InputSpec(width=64, height=64, colour="rgb", mean=IMAGENET_MEAN, std=IMAGENET_STD)
FREE = GraphOptions(dynamic_size=True)
# Fewer layers than litepose-xs: with a free size every one of them takes long to export.
NAME = "litepose-xs-dense"
SMALL = Arch(8, (8, 8, 8, 8), (8, 8, 8), ((Block(2, 3),),) * 4)


@pytest.fixture(scope="module")
def network(filled):
    small = LitePose(SMALL, 17)
    small.load_state_dict(filled(small))
    return small.eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, filled):
    path = tmp_path_factory.mktemp("free") / "checkpoint.pth"
    torch.save(filled(networks.find(NAME).build(17, Size(64, 64))), path)
    return path


@pytest.fixture(scope="module")
def exported(checkpoint):
    """A file that the command line made."""
    out = checkpoint.parent / "m.onnx"
    size = ("--height", "64", "--width", "64")
    assert export(NAME, checkpoint, out, *size, "--max-join-distance", "0.3") == 0
    return out


def export(name, checkpoint, out, *options):
    arguments = ["export", name, "--checkpoint", str(checkpoint), "--out", str(out)]
    return app.run([*arguments, "--dynamic-size", *options])


def input_axes(graph):
    return [d.dim_param or d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]


def graph_of(network, options):
    return export_graph(network, SPEC, ("coarse", "fine"), options, multiple=16)


@pytest.fixture(scope="module")
def plain(network):
    return graph_of(network, FREE)


@pytest.mark.parametrize(
    ("options", "axes"),
    [
        (FREE, [1, 3, "H", "W"]),
        (
            GraphOptions(dynamic_size=True, dynamic_batch=True, rewrite_deconvolutions=True),
            ["N", 3, "H", "W"],
        ),
        (GraphOptions(dynamic_size=True, uint8=True), [1, "H", "W", 3]),
    ],
)
def test_one_graph_computes_what_pytorch_does_at_every_size(options, axes, network, plain):
    graph = plain if options == FREE else graph_of(network, options)
    assert input_axes(graph.graph) == axes
    assert [output.name for output in graph.graph.output] == ["coarse", "fine"]
    session = open_bytes(graph.SerializeToString())
    for height, width in ((32, 48), (64, 64), (128, 80), (64, 192)):
        if options.uint8:
            batch = RNG.integers(0, 256, (1, height, width, 3), np.uint8)
            normalized = (batch[..., ::-1] - np.array(IMAGENET_MEAN)) / IMAGENET_STD
            planes = normalized.transpose(0, 3, 1, 2)
        else:
            batch = planes = RNG.standard_normal((1, 3, height, width)).astype(np.float32)
        found = session.run(batch)
        with torch.no_grad():
            expected = network(torch.tensor(planes.astype(np.float32)))
        for name, stride, want in zip(("coarse", "fine"), (4, 2), expected, strict=True):
            assert found[name].shape[2:] == (height // stride, width // stride)
            largest = float(want.abs().max())
            np.testing.assert_allclose(found[name], want.numpy(), atol=1e-4 * largest)
    session.close()


def test_the_same_network_gives_the_same_bytes(network, plain):
    assert graph_of(network, FREE).SerializeToString() == plain.SerializeToString()


def test_the_command_line_makes_and_verifies_such_a_file(exported, checkpoint, capsys):
    assert input_axes(onnx.load(exported).graph) == [1, 3, "H", "W"]
    arguments = ["verify", str(exported), "--checkpoint", str(checkpoint), "--json"]
    assert app.run(arguments) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["tensor"] <= 1e-4


def test_info_says_how_far_keypoints_join_people(exported, capsys):
    assert edge_app.run(["info", str(exported)]) == 0
    assert "within 0.3 of the short side" in capsys.readouterr().out


def test_the_runtime_takes_the_published_input_from_such_a_file(exported):
    found = find_model(exported)
    session, manifest = found.open(1), found.manifest
    both = BottomUpOptions(scales=(1.0, 2.0))
    network = BottomUp(lambda threads: session, manifest, 1, both, flip_test=True)
    for height, width in ((90, 120), (300, 40), (1, 1)):
        poses = network(RNG.integers(0, 256, (height, width, 3), np.uint8))
        assert len(poses) <= manifest.model.max_people
        assert np.isfinite(poses.keypoints).all()
        assert ((poses.scores >= 0) & (poses.scores <= 1)).all()


def test_top_down_networks_have_one_size(tmp_path, capsys):
    path, out = tmp_path / "c.pth", tmp_path / "m.onnx"
    torch.save(networks.find("lrpose-n").build(17, Size(144, 192)).state_dict(), path)
    assert export("lrpose-n", path, out) == 3
    assert "its input has one size" in capsys.readouterr().err
    assert not out.exists()


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """A checkpoint of PersonDet."""
    path = tmp_path_factory.mktemp("detector") / "checkpoint.pth"
    torch.manual_seed(0)
    torch.save(networks.find("persondet").build(0, Size(352, 352)).state_dict(), path)
    return path


def test_a_detector_of_free_size_takes_two_views(detector, tmp_path, capsys):
    out = tmp_path / "m.onnx"
    assert export("persondet", detector, out, "--threshold", "0.9") == 0
    assert app.run(["verify", str(out), "--checkpoint", str(detector)]) == 0  # scores moved alike
    capsys.readouterr()
    assert edge_app.run(["info", str(out)]) == 0
    assert "at 224x224 and at 352x352 mirrored" in " ".join(capsys.readouterr().out.split())
    found = find_model(out)
    session = found.open(1)
    assert session.input.shape == (1, 3, "H", "W")
    assert [view.mirrored for view in found.manifest.model.views] == [False, True]
    boxes, scores = PersonDetector(lambda _: session, found.manifest, 1)(
        np.zeros((90, 160, 3), np.uint8), 0.01
    )
    assert boxes.shape == (len(scores), 4)


def test_at_another_size_or_of_one_size_it_takes_one_view(detector, tmp_path):
    out = tmp_path / "m.onnx"
    small = ("--height", "64", "--width", "64")
    assert export("persondet", detector, out, *small) == 0
    assert find_model(out).manifest.model.views == ()
    _, of_one_size = conversion.load_network("persondet", detector, conversion.ExportOptions())
    assert of_one_size.model.views == ()


@pytest.mark.parametrize(
    "options",
    [
        BottomUpOptions(resize="letterbox"),
        BottomUpOptions(nms_at="input"),
        BottomUpOptions(scales=(1.0, 2.0)),
        BottomUpOptions(adjust=False),
        BottomUpOptions(refine=False),
    ],
)
def test_the_estimator_hands_the_options_on(options, exported, tmp_path):
    # Untrained networks give low scores: let every peak be a keypoint.
    graph = onnx.load(exported)
    manifest = manifest_from_metadata({e.key: e.value for e in graph.metadata_props}, exported)
    lenient = msgspec.structs.replace(manifest.model, min_peak=0.01)
    manifest = msgspec.structs.replace(manifest, model=lenient)
    path = tmp_path / "m.onnx"
    store(graph, manifest, path)
    image = np.random.default_rng(0).integers(0, 256, (90, 150, 3), np.uint8)
    session = open_bytes(path.read_bytes())

    def found(chosen):
        return BottomUp(lambda threads: session, manifest, 1, chosen)(image).keypoints

    with Estimator(path, threads=1, min_score=0, bottom_up=options) as estimator:
        ours = estimator.predict(image).keypoints
    expected, plain = found(options), found(BottomUpOptions())
    assert len(ours) > 0
    # The estimator ranks people and drops duplicates; none of them is of its own making.
    for person in ours:
        assert (np.abs(expected - person).max(axis=(1, 2)) < 1e-4).any()
    assert plain.shape != expected.shape or not np.allclose(plain, expected)


def test_a_top_down_network_takes_no_such_options():
    with pytest.raises(ValueError, match="is for bottom-up networks"):
        Estimator(bottom_up=BottomUpOptions())
