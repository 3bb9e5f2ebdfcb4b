"""The command and function that write portable files."""

from __future__ import annotations

import json

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.export

from litepose_edge import Estimator, backends  # noqa: E402
from litepose_edge.backends import bundled  # noqa: E402
from litepose_edge.backends.onnxruntime_session import PORTABLE_KEY  # noqa: E402
from litepose_edge.errors import ModelFileMissingError, UnsupportedModelError  # noqa: E402
from litepose_edge.manifest import METADATA_KEY, parse_manifest  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.conversion.storage import store  # noqa: E402
from litepose_export.errors import ExportError, ParityError  # noqa: E402
from litepose_export.portable import job, network  # noqa: E402


def metadata(path):
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_the_command_writes_a_file_that_describes_itself(tiny, tmp_path, capsys):
    source, target = tiny.heatmaps(), tmp_path / "out.onnx"
    assert (
        app.run(["portable", str(source), "--out", str(target), "--colour", "rgba", "--json"]) == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["inputs"] == {"frame": "H x W x 4", "boxes_xyxy": "P x 4"}
    assert report["outputs"] == {"keypoints": "P x 21 x 3", "pose_scores": "P"}
    assert report["size_bytes"] == target.stat().st_size
    found = metadata(target)
    assert parse_manifest(found[METADATA_KEY]) == backends.find_model(source).manifest
    assert json.loads(found[PORTABLE_KEY]) == {"colour": "rgba"}
    onnx.checker.check_model(onnx.load(target), full_check=True)


def test_the_first_output_is_keypoints_and_onnx_runtime_alone_needs_no_contrib_operators(
    tiny, tmp_path
):
    job.convert(tiny.heatmaps(), tmp_path / "out.onnx")
    written = onnx.load(tmp_path / "out.onnx")
    assert written.graph.output[0].name == "keypoints"
    assert [(o.domain, o.version) for o in written.opset_import] == [("", 18)]


def test_the_same_source_gives_the_same_bytes(tiny, tmp_path):
    source = tiny.heatmaps()
    for name in ("a.onnx", "b.onnx"):
        job.convert(source, tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_networks_of_one_crop_and_of_older_opsets_fit(tiny, tmp_path, opened):
    """A batch axis of 1, as exports without a dynamic batch have, and opset 13."""
    source = tiny.heatmaps()
    model = onnx.load(source)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    model.opset_import[0].version = 13
    store(model, backends.find_model(source).manifest, source)
    job.convert(source, tmp_path / "out.onnx")
    found, _ = opened(tmp_path / "out.onnx").run(
        None,
        {"frame": np.zeros((9, 9, 3), np.uint8), "boxes_xyxy": np.ones((3, 4), np.float32)},
    )
    assert found.shape == (3, 21, 3)


def test_names_inside_a_network_may_be_those_outside(tiny, tmp_path, opened):
    source = tiny.heatmaps()
    model = onnx.load(source)
    model.graph.input[0].name = model.graph.node[0].input[0] = "frame"
    store(model, backends.find_model(source).manifest, source)
    assert job.convert(source, tmp_path / "out.onnx").difference_px < 0.01


def test_a_portable_file_is_refused_where_a_model_is_wanted(tiny, tmp_path):
    for name, target in (("pose", tiny.heatmaps()), ("detector", "persondet")):
        job.convert(target, tmp_path / f"{name}.onnx")
        with pytest.raises(UnsupportedModelError, match="portable graph"):
            backends.find_model(tmp_path / f"{name}.onnx")
    with pytest.raises(ExportError, match="one input"):
        network.load(tmp_path / "pose.onnx")


def test_networks_that_find_all_people_are_refused(tmp_path):
    from litepose_edge.manifest import BottomUpSpec, InputSpec, Manifest
    from litepose_edge.skeletons import COCO_17

    manifest = Manifest(
        schema=1,
        name="bottom-up",
        precision="fp32",
        input=InputSpec(width=32, height=32, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1)),
        model=BottomUpSpec(coarse="coarse", fine="fine", skeleton=COCO_17),
    )
    float_tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["image"], [name]) for name in ("coarse", "fine")],
        "bottom-up",
        [float_tensor("image", 1, ["N", 3, 32, 32])],
        [float_tensor(name, 1, [None] * 4) for name in ("coarse", "fine")],
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    store(onnx.helper.make_model(graph, opset_imports=opset), manifest, tmp_path / "net.onnx")
    with pytest.raises(ExportError, match="top-down pose network or a detector; 'bottom-up'"):
        job.convert(tmp_path / "net.onnx", tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_options_that_do_not_fit_are_refused(tiny, tmp_path):
    source, target = tiny.heatmaps(), tmp_path / "out.onnx"
    with pytest.raises(ExportError, match=r"must end in \.onnx"):
        job.convert(source, tmp_path / "out.ort")
    with pytest.raises(ExportError, match="precision of"):
        job.convert(source, target, job.PortableOptions(precision="fp32"))
    with pytest.raises(ExportError, match="detector_size is for detectors"):
        job.convert(source, target, job.PortableOptions(detector_size=224))
    with pytest.raises(ExportError, match="steps of 32 pixels, not 200"):
        job.convert("persondet", target, job.PortableOptions(detector_size=200))
    with pytest.raises(ExportError, match="colour must be bgr, rgb or rgba"):
        job.PortableOptions(colour="grey")
    with pytest.raises(ExportError, match="target must be x86 or arm"):
        job.PortableOptions(target="riscv")
    with pytest.raises(ExportError, match="min_score must be between 0 and 1"):
        job.PortableOptions(min_score=1.5)
    with pytest.raises(ModelFileMissingError):
        job.convert(tmp_path / "none.onnx", target)
    assert not target.exists()


def test_a_graph_that_answers_otherwise_is_not_written(tiny, tmp_path, monkeypatch):
    from litepose_export.portable import decode

    real = decode.alignment
    monkeypatch.setattr(decode, "alignment", lambda *of: (real(*of)[0], real(*of)[1] + 1))
    with pytest.raises(ParityError, match="differs from the runtime by 1"):
        job.convert(tiny.heatmaps(), tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_bundled_models_by_name(tmp_path):
    report = job.convert("lrpose-n", tmp_path / "n.onnx")
    source = bundled.FOLDER / "lrpose-n.int8.onnx"
    assert report.source == str(source)
    assert report.size_bytes < source.stat().st_size + 150_000
    with Estimator("lrpose-n", detector=None) as estimator:
        joints = estimator.predict(np.zeros((9, 9, 3), np.uint8), boxes_xyxy=[[0, 0, 9, 9]])
    assert report.outputs["keypoints"] == f"P x {joints.keypoints.shape[1]} x 3"


def test_for_arm_activations_are_signed(tmp_path):
    options = job.PortableOptions(target="arm")
    report = job.convert("lrpose-n", tmp_path / "n.onnx", options)
    assert report.difference_px <= 0.01
    manifest = parse_manifest(metadata(tmp_path / "n.onnx")[METADATA_KEY])
    assert manifest.quantization.scheme == "s8s8"
    body = onnx.load(tmp_path / "n.onnx").graph.node
    loop = next(a.g for node in body for a in node.attribute if a.name == "body")
    kinds = {c.data_type for c in loop.initializer if c.name.endswith("zero_point")}
    assert onnx.TensorProto.UINT8 not in kinds
    assert onnx.TensorProto.INT8 in kinds


def test_for_arm_other_files_stay_as_they_are(tiny, tmp_path):
    source = tiny.heatmaps()
    for target in ("x86", "arm"):
        job.convert(source, tmp_path / f"{target}.onnx", job.PortableOptions(target=target))
    assert (tmp_path / "x86.onnx").read_bytes() == (tmp_path / "arm.onnx").read_bytes()


def test_the_function_is_the_command(tiny, tmp_path):
    import litepose_export

    report = litepose_export.make_portable(tiny.heatmaps(), tmp_path / "a.onnx", colour="rgb")
    assert report.colour == "rgb"
    job.convert(report.source, tmp_path / "b.onnx", job.PortableOptions(colour="rgb"))
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_a_score_of_boxes_is_refused_for_a_pose_network_alone(tiny, tmp_path, capsys):
    source, target = str(tiny.heatmaps()), tmp_path / "out.onnx"
    assert app.run(["portable", source, "--out", str(target), "--min-score", "0.3"]) == 3
    assert "min_score is for detectors" in " ".join(capsys.readouterr().err.split())
    assert not target.exists()
