"""Checkpoint to float file to INT8 file, and what is refused on the way."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402
import torch  # noqa: E402

from litepose_edge import backends  # noqa: E402
from litepose_edge.backends import bundled  # noqa: E402
from litepose_edge.errors import OutputError  # noqa: E402
from litepose_edge.manifest import InputSpec  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.conversion import export, parity, publish, storage, verification  # noqa: E402
from litepose_export.conversion.export import ExportOptions  # noqa: E402
from litepose_export.conversion.sample_inputs import calibration_inputs  # noqa: E402
from litepose_export.conversion.to_onnx import GraphOptions, export_graph  # noqa: E402
from litepose_export.errors import CheckpointError, ExportError, ParityError  # noqa: E402
from litepose_export.models import checkpoints, manifests, networks  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.models.architectures.persondet import PersonDet  # noqa: E402
from litepose_export.models.released import ReleasedPose  # noqa: E402

SHIPPED = ExportOptions(graph=GraphOptions(dynamic_batch=True), half_storage=True)
SMALL = InputSpec(width=32, height=64, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))
MANIFEST = manifests.manifest(networks.find("lrpose-n"), 17)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("run") / "last.pt"
    torch.save({"average": LRPose("n").state_dict(), "step": 1}, path)
    return path


@pytest.fixture(scope="module")
def exported(checkpoint, photo_dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "n.onnx"
    report = export.export("lrpose-n", checkpoint, path, SHIPPED, samples=read_coco(photo_dataset))
    return path, report


def test_an_export_is_verified_described_and_half_the_size(exported):
    path, report = exported
    assert report.size_bytes < 2.2 * report.parameters
    model = backends.find_model(path)
    assert model.manifest.name == "lrpose-n"
    assert model.manifest.precision == "fp32"
    assert model.manifest.parity["tensor_difference"] <= 5e-3


def test_the_figures_of_a_half_file_are_those_of_its_rounded_weights(
    exported, checkpoint, photo_dataset, tmp_path
):
    whole = ExportOptions(graph=SHIPPED.graph)
    path = tmp_path / "whole.onnx"
    report = export.export("lrpose-n", checkpoint, path, whole, samples=read_coco(photo_dataset))
    assert exported[1].tensor_difference > 2 * report.tensor_difference


@pytest.mark.parametrize("uint8", [False, True])
def test_photographs_are_what_a_report_says_was_compared(
    uint8, checkpoint, photo_dataset, tmp_path, monkeypatch
):
    compared = []

    def keep(network, graph, batches, *others):
        compared.extend(batches)
        return parity.check_parity(network, graph, batches, *others)

    monkeypatch.setattr(verification, "check_parity", keep)
    options = ExportOptions(graph=GraphOptions(uint8=uint8))
    samples = read_coco(photo_dataset)
    path = tmp_path / "n.onnx"
    report = export.export("lrpose-n", checkpoint, path, options, samples=samples)
    assert report.parity_inputs == "photographs"
    inputs = calibration_inputs(samples, MANIFEST, 1)
    expected = inputs.crops[0] if uint8 else inputs[0][0]
    np.testing.assert_array_equal(compared[0][0], expected)
    assert compared[0].dtype == expected.dtype


def test_a_weight_that_float16_cannot_hold_is_refused(tmp_path):
    network = LRPose("n")
    with torch.no_grad():
        network.predict.weight[0, 0] = 7e4
    graph = export_graph(network, SMALL, ["heatmaps"])
    with pytest.raises(ExportError, match=r"65504.*70000"):
        storage.halve_storage(graph)


def test_a_shifted_half_file_equals_its_checkpoint(tmp_path):
    torch.manual_seed(0)
    checkpoint, path = tmp_path / "det.pt", tmp_path / "det.onnx"
    torch.save({"average": PersonDet().state_dict()}, checkpoint)
    options = ExportOptions(width=64, height=64, threshold=0.2, half_storage=True)
    export.export("persondet", checkpoint, path, options)
    assert backends.find_model(path).manifest.parity["threshold"] == 0.2
    assert export.verify(path, checkpoint)["tensor"] <= 5e-3


def test_the_same_checkpoint_gives_the_same_file(exported, checkpoint, photo_dataset, tmp_path):
    again = tmp_path / "again.onnx"
    export.export("lrpose-n", checkpoint, again, SHIPPED, samples=read_coco(photo_dataset))
    assert again.read_bytes() == exported[0].read_bytes()


def test_float16_storage_changes_little_and_can_be_undone():
    graph = export_graph(LRPose("n"), SMALL, ["heatmaps"])
    halved = storage.halve_storage(graph)
    restored = storage.restore_storage(halved)
    assert len(halved.SerializeToString()) < 0.6 * len(graph.SerializeToString())
    assert [n.op_type for n in restored.graph.node] == [n.op_type for n in graph.graph.node]
    batch = np.random.default_rng(0).normal(size=(1, 3, 64, 32)).astype(np.float32)
    outputs = [
        backends.open_bytes(m.SerializeToString()).run(batch)["heatmaps"]
        for m in (graph, halved, restored)
    ]
    np.testing.assert_array_equal(outputs[1], outputs[2])
    np.testing.assert_allclose(outputs[0], outputs[1], atol=2e-3 * np.abs(outputs[0]).max())


def test_a_graph_that_computes_something_else_is_refused():
    graph = export_graph(LRPose("n"), SMALL, ["heatmaps"])
    batch = np.random.default_rng(0).normal(size=(1, 3, 64, 32)).astype(np.float32)
    with pytest.raises(ParityError, match="nothing was written"):
        parity.check_parity(LRPose("n"), graph, [batch], MANIFEST)


def test_a_failed_export_writes_nothing(checkpoint, photo_dataset, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise ParityError("differs")

    monkeypatch.setattr(verification, "check_parity", refuse)
    with pytest.raises(ParityError):
        export.export("lrpose-n", checkpoint, tmp_path / "n.onnx", samples=read_coco(photo_dataset))
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_cannot_be_written_is_one_clear_error(tmp_path):
    graph = export_graph(LRPose("n"), SMALL, ["heatmaps"])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        storage.store(graph, MANIFEST, tmp_path / "file" / "n.onnx")


class Trap:
    """Leaves a mark when unpickled."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self):
        return (open, (self.mark, "w"))


def test_a_checkpoint_with_code_is_refused_and_nothing_is_executed(tmp_path):
    mark = tmp_path / "executed"
    path = tmp_path / "evil.pt"
    torch.save({"average": Trap(str(mark))}, path)
    with pytest.raises(CheckpointError, match="weights_only"):
        checkpoints.read_state(path)
    path.write_bytes(pickle.dumps(Trap(str(mark))))
    with pytest.raises(CheckpointError, match="weights_only"):
        checkpoints.read_state(path)
    assert not mark.exists()


@pytest.mark.parametrize("damage", ["truncated", "empty", "other"])
def test_a_damaged_or_foreign_checkpoint_is_refused(checkpoint, tmp_path, damage):
    path = tmp_path / "bad.pt"
    if damage == "other":
        torch.save({"average": LRPose("s").state_dict()}, path)
    else:
        path.write_bytes(checkpoint.read_bytes()[: 5000 if damage == "truncated" else 0])
    with pytest.raises(CheckpointError, match=r"bad\.pt"):
        export.load_network("lrpose-n", path, ExportOptions())


def test_an_unknown_network_is_refused():
    with pytest.raises(ExportError, match="lrpose-n"):
        networks.find("lrpose-xl")


def test_a_detectors_threshold_becomes_the_default_score(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "det.pt"
    torch.save({"average": PersonDet().state_dict()}, path)
    outputs = []
    for threshold in (None, 0.6):
        network, _ = export.load_network("persondet", path, ExportOptions(threshold=threshold))
        with torch.no_grad():
            outputs.append(network.eval()(torch.zeros(1, 3, 64, 64))[1].numpy())
    shift = np.log(0.3 / 0.7) - np.log(0.6 / 0.4)
    np.testing.assert_allclose(outputs[1][:, 0] - outputs[0][:, 0], shift, atol=1e-2)
    np.testing.assert_allclose(outputs[1][:, 1:], outputs[0][:, 1:], atol=1e-5)


def test_a_pose_networks_threshold_becomes_the_score_that_is_drawn(checkpoint, tmp_path):
    plain, _ = export.load_network("lrpose-n", checkpoint, ExportOptions())
    shifted, _ = export.load_network("lrpose-n", checkpoint, ExportOptions(threshold=0.2))
    crops = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        moved = shifted.eval()(crops) - plain.eval()(crops)
    np.testing.assert_allclose(moved, np.log(0.3 / 0.7) - np.log(0.2 / 0.8), atol=1e-4)


def test_a_threshold_is_refused_where_maps_are_no_logits(checkpoint, tmp_path):
    path = tmp_path / "mse.pt"
    state = torch.load(checkpoint, weights_only=True)
    torch.save({**state, "metadata": {"activation": "linear"}}, path)
    with pytest.raises(ExportError, match="threshold"):
        export.load_network("lrpose-n", path, ExportOptions(threshold=0.2))


def test_threshold_and_join_distance_go_into_a_bottom_up_files_manifest(checkpoint, tmp_path):
    path = tmp_path / "xs.pt"
    network = networks.find("litepose-xs")
    torch.save({"average": network.build(17, network.input_size).state_dict()}, path)
    _, plain = export.load_network("litepose-xs", path, ExportOptions())
    assert (plain.model.min_peak, plain.model.max_join_distance) == (0.1, None)
    options = ExportOptions(threshold=0.5, max_join_distance=0.25)
    _, chosen = export.load_network("litepose-xs", path, options)
    assert (chosen.model.min_peak, chosen.model.max_join_distance) == (0.5, 0.25)
    with pytest.raises(ExportError, match="max_join_distance"):
        export.load_network("lrpose-n", checkpoint, ExportOptions(max_join_distance=0.25))


def test_the_probe_is_the_one_that_is_shipped_and_tells_exact_from_wrong():
    probe = publish.saturation_probe()
    assert (
        probe.SerializeToString(deterministic=True) == (bundled.FOLDER / bundled.PROBE).read_bytes()
    )
    # A kernel that is off by anything shows: move the expected sum by one quantum.
    for initializer in probe.graph.initializer:
        if initializer.name == "exact":
            values = onnx.numpy_helper.to_array(initializer) + np.float32(5000)
            initializer.CopyFrom(onnx.numpy_helper.from_array(values, "exact"))
    image = np.full((1, publish.CHANNELS, 1, 1), 255, np.float32)
    (difference,) = backends.open_bytes(probe.SerializeToString()).run(image).values()
    assert np.abs(difference).max() > 0


def test_the_command_line_exports(checkpoint, photo_dataset, tmp_path, capsys):
    arguments = [
        "export", "lrpose-n", "--checkpoint", str(checkpoint), "--out", str(tmp_path / "n.onnx"),
        "--samples", str(photo_dataset), "--json",
    ]  # fmt: skip
    assert app.run(arguments) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["parameters"] > 400_000
    assert app.run(["export", "nothing", *arguments[2:4], "--out", "x.onnx"]) == 2


@pytest.mark.parametrize("name", ["lrpose-n", "lrpose-s", "lrpose-m"])
def test_released_files_filter_people_as_their_networks_manifests_say(name):
    def thresholds(spec):
        names = [name for name in ReleasedPose.__struct_fields__ if name != "data"]
        return [getattr(spec, name) for name in names]

    wanted = manifests.manifest(networks.find(name), 17).model
    released = sorted(bundled.FOLDER.glob(f"{name}.*.onnx"))
    assert released
    for path in released:
        assert thresholds(backends.find_model(path).manifest.model) == thresholds(wanted)
