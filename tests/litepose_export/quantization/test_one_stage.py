"""One-stage networks of users: module to ONNX to INT8, the gate on people of whole frames."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import torch  # noqa: E402
from onnx import numpy_helper  # noqa: E402

import litepose_export as lx  # noqa: E402
from litepose_edge import Estimator  # noqa: E402
from litepose_edge.backends import find_model  # noqa: E402
from litepose_edge.errors import ManifestError  # noqa: E402
from litepose_edge.manifest import parse_manifest  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_edge.pipelines.onestage import OneStage  # noqa: E402
from litepose_edge.testing import FakeSession  # noqa: E402
from litepose_export.cli.app import run  # noqa: E402
from litepose_export.conversion.sample_inputs import calibration_inputs, shuffled  # noqa: E402
from litepose_export.quantization.gate.bounds import Bounds, find_failures  # noqa: E402
from litepose_export.quantization.gate.comparison import compare  # noqa: E402
from litepose_export.quantization.gate.output_error import MOST_PX, ErrorMetric  # noqa: E402
from one_stage import SKELETONS, tables  # noqa: E402
from own_networks import YoloPose  # noqa: E402

SIDE = 64


def described(form="raw", keypoints=21, **fields):
    return lx.one_stage_manifest(
        "own", input_size=(SIDE, SIDE), skeleton=SKELETONS[keypoints],
        end_to_end=form == "end to end", **fields,
    )  # fmt: skip


def module(form="raw", keypoints=21):
    torch.manual_seed(1)
    return YoloPose(keypoints, SIDE, end_to_end=form == "end to end").eval()


def frame(dataset, number=0):
    return cv2.imread(str(read_coco(dataset).images[number].path))


@pytest.fixture(scope="module")
def source(tmp_path_factory, people_dataset):
    """The raw form of 21 keypoints, exported."""
    target = tmp_path_factory.mktemp("source") / "own.onnx"
    report = lx.export(module(), target, described(), samples=people_dataset)
    assert report.tensor_difference <= 1e-4
    assert report.keypoints == 21
    return target


def same_people(network, target, image, keypoints):
    """Whether a file's best person is the module's own, in a picture as wide as the input."""
    above = (SIDE - len(image)) // 2  # it lies there pixel by pixel, further down
    with Estimator(target, min_score=0.05) as estimator:
        poses = estimator.predict(image)
    seen = np.full((SIDE, SIDE, 3), 114, np.float32)
    seen[above : above + len(image)] = image
    with torch.no_grad():
        batch = torch.from_numpy(seen[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
        table = network(batch)[0].numpy()
    rows = table if network.end_to_end else table.T
    best = rows[rows[:, 4].argmax()]
    points = best[-3 * keypoints :].reshape(keypoints, 3)
    np.testing.assert_allclose(poses.person_scores[0], best[4], atol=1e-3)
    np.testing.assert_allclose(poses.keypoints[0], points[:, :2] - [0, above], atol=0.01)
    np.testing.assert_allclose(poses.scores[0], points[:, 2], atol=1e-3)


def test_a_module_becomes_a_file_that_finds_its_people(source, people_dataset):
    same_people(module(), source, cv2.resize(frame(people_dataset), (SIDE, 41)), 21)


def test_a_module_may_suppress_duplicates_itself(people_dataset, tmp_path):
    network, target = module("end to end", 17), tmp_path / "own.onnx"
    lx.export(network, target, described("end to end", 17))
    same_people(network, target, cv2.resize(frame(people_dataset), (SIDE, 51)), 17)


def test_a_network_is_calibrated_on_what_it_will_see(people_dataset):
    dataset, manifest = read_coco(people_dataset), described()
    given = calibration_inputs(dataset, manifest, 1)
    first = shuffled(dataset)[0]
    nothing = {"people": tables("raw", [], 21)["output0"]}
    session = FakeSession(nothing, (1, 3, SIDE, SIDE))
    OneStage(lambda _: session, manifest, 1)(cv2.imread(str(first.path)))
    np.testing.assert_array_equal(session.batches[0], given[0])


def test_the_gate_compares_people_of_whole_frames(source, people_dataset, tmp_path):
    target = tmp_path / "own.int8.onnx"
    report = lx.quantize(
        source, target, calibration=people_dataset, held_out=people_dataset, count=4, gate_people=4
    )
    assert report.integer_part > 0.5
    assert report.gate.recall == pytest.approx(1, abs=0.1)
    assert 0 < report.gate.shift_px < 0.5
    manifest = find_model(target).manifest
    assert manifest.precision == "int8"
    assert manifest.quantization.gate == report.verdict != "forced"
    image = frame(people_dataset)
    with Estimator(source) as plain, Estimator(target) as quantized:
        wanted, found = plain.predict(image), quantized.predict(image)
    assert len(wanted) > 1
    best = np.abs(found.person_scores - wanted.person_scores[0]).argmin()
    np.testing.assert_allclose(found.boxes_xyxy[best], wanted.boxes_xyxy[0], atol=6)


def wrecked(source, scale):
    """The float graph with its head's weights moved."""
    graph = onnx.load(source)
    (head,) = [i for i in graph.graph.initializer if list(i.dims)[:1] == [5 + 3 * 21]][:1]
    weights = numpy_helper.to_array(head)
    moved = weights + np.random.default_rng(0).normal(0, scale, weights.shape)
    head.CopyFrom(numpy_helper.from_array(moved.astype(np.float32), head.name))
    return graph


def test_people_who_are_lost_or_moved_are_refused(source, people_dataset):
    manifest, dataset = find_model(source).manifest, read_coco(people_dataset)
    graph = onnx.load(source)
    same = compare(graph, graph, manifest, dataset, 3)
    assert (same.recall, same.shift_px) == (1, 0)
    assert same.people > 3
    assert find_failures(same, Bounds(), joints_expected=True) == []
    worse = compare(graph, wrecked(source, 0.3), manifest, dataset, 3)
    assert find_failures(worse, Bounds(), joints_expected=True)
    assert worse.people == same.people


def test_searches_are_led_by_how_far_people_move(source, people_dataset):
    manifest = find_model(source).manifest
    graph = onnx.load(source)
    metric = ErrorMetric(
        graph, manifest, calibration_inputs(read_coco(people_dataset), manifest, 3)
    )
    assert metric(graph).cost == 0
    slightly, much = (metric(wrecked(source, scale)) for scale in (0.003, 0.3))
    assert 0 < slightly.cost < much.cost <= MOST_PX
    assert 0 < slightly.error < much.error <= 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"output_format": "yolox"}, "yolo-pose, rtmo"),
        ({"output_format": "rtmo", "classes": 2}, "are of the format 'yolo-pose'"),
        ({"outputs": ("a", "b")}, None),  # the first is read, as of a file
        ({"classes": 2, "person": 2}, "one of 2 classes"),
        ({"max_iou": 1.5}, "max_iou"),
        ({"std": (1 / 255,) * 3}, "from 0 to 255"),
        ({"classes": 80, "person": 0, "max_iou": 0.5}, None),
    ],
)
def test_a_manifests_values_are_checked(given, says):
    if says is None:
        assert lx.one_stage_manifest("own", input_size=(64, 64), **given).finds_people
    else:
        with pytest.raises(ManifestError, match=says):
            lx.one_stage_manifest("own", input_size=(64, 64), **given)


def test_the_families_bring_their_conventions():
    yolo = lx.one_stage_manifest("own", input_size=(64, 48))
    assert (yolo.input.colour, yolo.input.std) == ("rgb", (255, 255, 255))
    assert (yolo.model.placement, yolo.model.fill) == ("centre", (114, 114, 114))
    rtmo = lx.one_stage_manifest("own", input_size=(64, 48), output_format="rtmo")
    assert (rtmo.input.colour, rtmo.input.mean, rtmo.input.std) == ("bgr", (0, 0, 0), (1, 1, 1))
    assert (rtmo.model.placement, rtmo.model.outputs) == ("corner", ("dets", "keypoints"))


def test_the_command_line_describes_one_too(tmp_path):
    target = tmp_path / "own.json"
    arguments = ["manifest", "--head", "one-stage", "--size", "64x64", "--out", str(target)]
    assert run(arguments) == 2
    assert run([*arguments, "--output-format", "yolo-pose", "--name", "own"]) == 0
    assert parse_manifest(target.read_text()) == lx.one_stage_manifest("own", input_size=(64, 64))
