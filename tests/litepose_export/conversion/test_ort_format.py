"""Files in ONNX Runtime's own format."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

pytest.importorskip("onnx")
pytestmark = pytest.mark.export

from onnx import TensorProto, helper  # noqa: E402

from litepose_edge import Estimator, backends  # noqa: E402
from litepose_edge.backends import bundled  # noqa: E402
from litepose_edge.errors import ModelError, ModelFileMissingError, OutputError  # noqa: E402
from litepose_edge.sources import read_image  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.conversion import ort_format  # noqa: E402
from litepose_export.conversion.storage import store  # noqa: E402
from litepose_export.errors import ExportError, ParityError  # noqa: E402
from litepose_export.models.user_manifests import heatmap_manifest  # noqa: E402

BOX = [[60, 0, 440, 511]]
FLOATS = {"kind": TensorProto.FLOAT, "shape": ("a", "b", "c", "d")}


@pytest.fixture(scope="module", params=["lrpose-s.fp32", "lrpose-s.int8", "lrpose-s.int8 arm"])
def converted(request, tmp_path_factory):
    name, *arm = request.param.split()
    source = bundled.FOLDER / f"{name}.onnx"
    target = tmp_path_factory.mktemp("ort") / f"{'-'.join([name, *arm])}.ort"
    return source, target, ort_format.convert(source, target, arm=bool(arm))


def test_the_contract_survives(converted):
    source, target, _ = converted
    found, expected = (backends.find_model(path).manifest for path in (target, source))
    if "arm" in target.name:
        assert found.quantization.scheme == "s8s8"
        found = msgspec.structs.replace(found, quantization=expected.quantization)
    assert found == expected


def test_the_keypoints_are_those_of_the_source(converted, photographs):
    picture = read_image(photographs / "astronaut.png")
    poses = []
    for path in converted[:2]:
        with Estimator(path, detector=None, threads=1) as estimator:
            poses.append(estimator.predict(picture, boxes_xyxy=BOX))
    shift_px = np.linalg.norm(poses[1].keypoints - poses[0].keypoints, axis=2)
    # INT8 is the same but for rounding. The float layer in front sums in another order where ONNX
    # Runtime may choose the layout for this processor; from signed activations it makes unsigned
    # ones on x86, which rounds ties to the other side. One code that differs moves all keypoints.
    if "int8" in converted[1].name:
        assert np.median(shift_px) * 256 / 640 <= 0.5  # the padded box is 640 px high
    else:
        assert shift_px.max() <= 1e-3


def test_a_reduced_build_is_told_which_operators_it_needs(converted):
    _, target, report = converted
    assert report.size_bytes == target.stat().st_size
    listing = target.with_suffix(".operators.config")
    assert str(listing) == report.operators
    text = listing.read_text("utf-8")
    assert ("QLinearConv" in text) == ("int8" in target.name)
    assert not any(line.startswith("#") for line in text.splitlines())


def test_the_command_reports_what_it_wrote(tmp_path, capsys):
    source = bundled.find("persondet", "int8")
    assert app.run(["ort", str(source), "--out", str(tmp_path / "d.ort"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["difference"] <= ort_format.MAX_DIFFERENCE
    assert {p.name for p in tmp_path.iterdir()} == {"d.ort", "d.operators.config"}


def test_a_conversion_that_changes_the_outputs_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ort_format, "MAX_DIFFERENCE", -1.0)
    with pytest.raises(ParityError, match="differs"):
        ort_format.convert(bundled.find("lrpose-s", "int8"), tmp_path / "m.ort")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def of_nodes(tmp_path):
    """Writes a described file with these nodes from `images` to `y`."""

    def write(*nodes, kind=TensorProto.INT64, shape=(4, "found")):
        graph = helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
            [helper.make_tensor_value_info("y", kind, shape)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        store(model, heatmap_manifest("net", input_size=(64, 64), output="y"), tmp_path / "n.onnx")
        return tmp_path / "n.onnx"

    return write


def test_a_network_that_finds_nobody_in_noise_is_converted(of_nodes, tmp_path):
    source = of_nodes(
        helper.make_node("Constant", [], ["high"], value_float=100.0),
        helper.make_node("Greater", ["images", "high"], ["found"]),
        helper.make_node("NonZero", ["found"], ["y"]),
    )
    assert ort_format.convert(source, tmp_path / "n.ort").difference == 0


def test_outputs_that_are_not_finite_are_refused(of_nodes, tmp_path):
    source = of_nodes(helper.make_node("Sqrt", ["images"], ["y"]), **FLOATS)
    with pytest.raises(ParityError, match="NaN or infinity"):
        ort_format.convert(source, tmp_path / "n.ort")
    assert not (tmp_path / "n.ort").exists()


def test_outputs_of_another_shape_are_refused(of_nodes, tmp_path, monkeypatch):
    turned = helper.make_node("Transpose", ["images"], ["y"], perm=[0, 2, 3, 1])
    other = of_nodes(turned, **FLOATS).read_bytes()
    source = of_nodes(helper.make_node("Identity", ["images"], ["y"]), **FLOATS)
    run = ort_format._run_converter

    def convert_another(copy, platform):
        whole = copy.read_bytes()
        copy.write_bytes(other)
        run(copy, platform)
        copy.write_bytes(whole)

    monkeypatch.setattr(ort_format, "_run_converter", convert_another)
    with pytest.raises(ParityError, match=r"of shape \(1, 64, 64, 3\) on noise"):
        ort_format.convert(source, tmp_path / "n.ort")


def test_what_cannot_be_converted_is_refused(tmp_path):
    source = bundled.find("lrpose-s", "int8")
    with pytest.raises(ExportError, match=r"end in \.ort"):
        ort_format.convert(source, tmp_path / "m.onnx")
    with pytest.raises(ModelFileMissingError):
        ort_format.convert(tmp_path / "none.onnx", tmp_path / "m.ort")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(ModelError):
        ort_format.convert(broken, tmp_path / "m.ort")
    with pytest.raises(OutputError):
        ort_format.convert(source, broken / "m.ort")
