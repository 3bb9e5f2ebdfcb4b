"""Runs of the person detector."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import numpy as np  # noqa: E402
import onnx  # noqa: E402

from litepose_edge.backends import bundled  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.errors import CheckpointError, ExportError  # noqa: E402
from litepose_export.models.trained import read_trained  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.runs import detector  # noqa: E402
from litepose_export.training.runs.detector import train_detector  # noqa: E402
from litepose_export.training.runs.options import DetectorRunOptions  # noqa: E402
from training_samples import SILENT  # noqa: E402


def test_a_whole_run_leaves_a_checkpoint_and_a_record(photo_dataset, tmp_path):
    options = DetectorRunOptions(
        data=(photo_dataset,), folder=tmp_path, budget=Budget(steps=1), name="ours"
    )
    trained = read_trained(train_detector(options, SILENT))
    assert (trained.network, trained.name) == ("persondet", "ours")
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["kind"] == "detector"
    assert record["data"] == [photo_dataset.name]
    assert len(record["data_sha256"]) == 64
    assert record["steps"] == 1


def test_a_file_without_photographs_has_no_share(photo_dataset, tmp_path):
    document = json.loads(photo_dataset.read_text("utf-8"))
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps(document | {"images": [], "annotations": []}), "utf-8")
    options = DetectorRunOptions(
        data=(empty, photo_dataset), folder=tmp_path / "run", budget=Budget(steps=1), batch=2
    )
    assert train_detector(options, SILENT).exists()
    with pytest.raises(ExportError, match="nothing to train on"):
        train_detector(replace(options, data=(empty,), folder=tmp_path / "none"), SILENT)


def write_rtmdet(path):
    """A graph with RTMDet's ends that finds one person in the middle of each picture."""
    nodes, outputs, constants = [], [], []
    for kind, channels in (("logits", 1), ("distances", 4)):
        for stride in (8, 16, 32):
            name, cells = f"{kind}_{stride}", 640 // stride
            maps = np.full((1, channels, cells, cells), -9 if kind == "logits" else 100, np.float32)
            if kind == "logits" and stride == 32:
                maps[..., 10, 10] = 2
            constants.append(onnx.numpy_helper.from_array(maps, f"{name}_maps"))
            nodes.append(onnx.helper.make_node("Add", ["nothing", f"{name}_maps"], [name]))
            outputs.append(onnx.helper.make_tensor_value_info(name, 1, maps.shape))
    constants.append(onnx.numpy_helper.from_array(np.zeros(1, np.float32), "zero"))
    first = onnx.helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=1)
    nodes = [first, onnx.helper.make_node("Mul", ["mean", "zero"], ["nothing"]), *nodes]
    image = onnx.helper.make_tensor_value_info("image", 1, (1, 3, 640, 640))
    graph = onnx.helper.make_graph(nodes, "rtmdet", [image], outputs, constants)
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


def test_a_teacher_s_boxes_are_kept_for_the_photographs(photo_dataset, tmp_path):
    teacher = write_rtmdet(tmp_path / "rtmdet.onnx")
    options = DetectorRunOptions(
        data=(photo_dataset,), folder=tmp_path, budget=Budget(steps=1), batch=2, teacher=teacher
    )
    train_detector(options, SILENT)
    kept = np.load(tmp_path / "pseudo_labels.npz")
    assert kept["counts"].tolist() == [1] * 8
    # The middle of 640x640 is that of the 180x240 pictures, shown 8 / 3 times as large.
    middle = (kept["boxes"][:, :2] + kept["boxes"][:, 2:4]) / 2
    np.testing.assert_allclose(middle, [[89.5, 119.5]] * 8, atol=0.5)
    np.testing.assert_allclose(kept["boxes"][:, 2] - kept["boxes"][:, 0], 200 * 3 / 8, atol=0.1)


@pytest.mark.parametrize("name", ["missing", "persondet"])
def test_a_teacher_that_cannot_teach_is_refused_before_photographs_are_read(
    name, photo_dataset, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(detector, "read_photographs", None)
    teacher = tmp_path / "typo.onnx"
    if name == "persondet":
        teacher = bundled.find("persondet", "fp32")
    arguments = ["train", "persondet", "--data", str(photo_dataset), "--out", str(tmp_path / "o")]
    assert app.run([*arguments, "--steps", "1", "--teacher", str(teacher)]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert ("typo.onnx" if name == "missing" else "no RTMDet person detector") in said


def test_pseudo_labels_that_were_cut_are_named(photo_dataset, tmp_path):
    (tmp_path / "pseudo_labels.npz").write_bytes(b"PK")
    teacher = write_rtmdet(tmp_path / "rtmdet.onnx")
    options = DetectorRunOptions(
        data=(photo_dataset,), folder=tmp_path, budget=Budget(steps=1), teacher=teacher
    )
    with pytest.raises(ExportError, match=r"pseudo_labels\.npz .*remove it"):
        train_detector(options, SILENT)


def test_fine_tuning_needs_weights_to_start_from(photo_dataset, tmp_path):
    options = DetectorRunOptions(
        data=(photo_dataset,), folder=tmp_path, budget=Budget(steps=1), stage="finetune"
    )
    with pytest.raises(CheckpointError, match="--init"):
        train_detector(options, SILENT)
