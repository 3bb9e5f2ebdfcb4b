"""Decoding in operators against decoding in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")
pytestmark = pytest.mark.export

from litepose_edge.decoding import heatmaps, regression, simcc  # noqa: E402
from litepose_edge.decoding.score_calibration import calibrate  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.manifest import (  # noqa: E402
    HeatmapSpec,
    RegressionSpec,
    ScoreCalibration,
    SimccSpec,
    TopDownSpec,
)
from litepose_edge.skeletons import Skeleton  # noqa: E402
from litepose_export.portable import decode  # noqa: E402

JOINTS = 5
SKELETON = Skeleton(
    name="five",
    keypoint_names=tuple("abcde"),
    bones=(),
    flip_pairs=(),
    oks_sigmas=(0.03, 0.05, 0.08, 0.1, 0.06),
)
INPUT = Size(72, 96)


def maps_of(people, rng, *, heat):
    """Bells in all places: inside, next to the border, on it, in a corner, and flat noise."""
    width, height = 18, 24
    places = rng.uniform(-1, 1, (people, JOINTS, 2)) * (1, 1) + [width / 2, height / 2]
    for person in range(people):
        places[person, 1] = [rng.uniform(0, 2), rng.uniform(0, height)]
        places[person, 2] = [width - 1, height - 1]
        places[person, 3] = [0, rng.integers(0, height)]
    rows, columns = np.mgrid[:height, :width]
    away = (columns - places[..., None, None, 0]) ** 2 + (rows - places[..., None, None, 1]) ** 2
    bells = np.exp(-away / 6) * rng.uniform(0.3, 1, (people, JOINTS, 1, 1))
    bells = bells + rng.uniform(0, 0.02, bells.shape)
    return (bells if heat else 8 * bells - 5).astype(np.float32)


def decoded(evaluate, outputs, spec, shapes):
    names = [f"output_{i}" for i in range(len(outputs))]

    def write(graph):
        return list(decode.decode(graph, names, spec, shapes, INPUT))

    return evaluate(write, dict(zip(names, outputs, strict=True)))


@pytest.mark.parametrize("people", [0, 1, 7])
@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
@pytest.mark.parametrize(
    ("refinement", "alignment"),
    [
        ("argmax", "centre"),
        ("quarter", "corner"),
        ("dark", "centre"),
        ("dark-udp", "udp"),
        ("expected-oks", "centre"),
    ],
)
def test_heatmaps_give_the_runtimes_keypoints(evaluate, refinement, alignment, activation, people):
    maps = maps_of(people, np.random.default_rng(people), heat=activation == "linear")
    for blur_kernel in (1, 5) if refinement.startswith("dark") else (3,):
        head = HeatmapSpec(
            output="maps",
            activation=activation,
            alignment=alignment,
            refinement=refinement,
            blur_kernel=blur_kernel,
        )
        spec = TopDownSpec(padding=1.25, skeleton=SKELETON, heatmaps=head)
        cells, scores = heatmaps.decode_as(maps, head, SKELETON)
        expected = heatmaps.cells_to_input(cells, Size(18, 24), INPUT, alignment)
        places, found = decoded(evaluate, [maps], spec, [maps.shape[1:]])
        assert places.shape == (people, JOINTS, 2)
        assert np.allclose(places, expected, atol=2e-3)
        assert np.allclose(found[..., 0], scores, atol=1e-6)


@pytest.mark.parametrize("people", [0, 1, 7])
@pytest.mark.parametrize("activation", ["linear", "softmax"])
@pytest.mark.parametrize("window", [1, 5])
def test_simcc_gives_the_runtimes_keypoints(evaluate, activation, window, people):
    rng = np.random.default_rng(1)
    outputs = []
    for bins in (144, 192):
        centre = rng.uniform(-2, bins + 2, (people, JOINTS, 1))
        bell = np.exp(-((np.arange(bins) - centre) ** 2) / 50)
        outputs.append((bell * 6 + rng.normal(0, 0.01, bell.shape)).astype(np.float32))
    head = SimccSpec(x="x", y="y", activation=activation, window=window)
    spec = TopDownSpec(padding=1.25, skeleton=SKELETON, simcc=head)
    expected, scores = simcc.decode_simcc(*outputs, head)
    places, found = decoded(evaluate, outputs, spec, [o.shape[1:] for o in outputs])
    assert np.allclose(places, expected, atol=1e-3)
    assert np.allclose(found[..., 0], scores, atol=1e-5)


@pytest.mark.parametrize("unit", ["image", "pixels"])
@pytest.mark.parametrize("alignment", ["corner", "centre", "udp"])
def test_regression_gives_the_runtimes_keypoints(evaluate, unit, alignment):
    rng = np.random.default_rng(2)
    table = rng.uniform(-0.1, 1.2, (3, 1, JOINTS, 3)).astype(np.float32)
    head = RegressionSpec(output="table", unit=unit, alignment=alignment, activation="sigmoid")
    spec = TopDownSpec(padding=1.25, skeleton=SKELETON, regression=head)
    expected, scores = regression.decode_regression(table, JOINTS, INPUT, head)
    places, found = decoded(evaluate, [table], spec, [table.shape[1:]])
    assert np.allclose(places, expected, atol=1e-4)
    assert np.allclose(found[..., 0], scores, atol=1e-6)


def test_reported_scores_are_the_runtimes(evaluate):
    scores = np.random.default_rng(4).uniform(0, 1, (2, JOINTS, 1)).astype(np.float32)
    scores[0, :3, 0] = 0, 1, 0.999999
    calibration = ScoreCalibration(scale=1.7, offset=-0.4)
    (found,) = evaluate(
        lambda graph: [decode.reported_scores(graph, "scores", calibration)], {"scores": scores}
    )
    assert np.allclose(found, calibrate(scores, calibration), atol=1e-6)


def test_pose_scores_are_the_runtimes(evaluate):
    from litepose_edge.person_filter import pose_scores

    scores = np.random.default_rng(3).uniform(0, 1, (4, JOINTS, 1)).astype(np.float32)
    scores[2] = 0
    (found,) = evaluate(lambda graph: [decode.pose_scores(graph, "scores")], {"scores": scores})
    assert np.allclose(found, pose_scores(scores[..., 0]), atol=1e-6)
