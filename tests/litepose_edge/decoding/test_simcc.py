"""SimCC classifications and coordinate tables to keypoints."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge import COCO_17, Size
from litepose_edge.decoding import regression, simcc
from litepose_edge.errors import ManifestError
from litepose_edge.manifest import RegressionSpec, SimccSpec

SIZE = Size(48, 64)
LINEAR = SimccSpec(x="x", y="y")
SOFTMAX = SimccSpec(x="x", y="y", activation="softmax", sigma=6.0)
seeds = st.integers(0, 2**32 - 1)


def classifications(points, *, ratio=2.0, sigma=6.0, scale=0.1, top=0.8):
    """Values whose parabolas peak at `(P, K, 2)` input pixels, as a trained network's do."""
    result = []
    for axis, pixels in enumerate((SIZE.width, SIZE.height)):
        bins = np.arange(int(pixels * ratio))
        away = bins - points[..., axis, None] * ratio
        result.append((top - scale * away**2 / (2 * sigma**2)).astype(np.float32))
    return result


def loop(values: np.ndarray, window: int) -> tuple[float, float]:
    """Textbook: argmax, then NumPy's own polynomial fit around it."""
    top, half = int(values.argmax()), window // 2
    if half == 0 or top < half or top >= len(values) - half:
        return float(top), float(values[top])
    steps = np.arange(-half, half + 1)
    a, b, _ = np.polyfit(steps, values[top - half : top + half + 1].astype(np.float64), 2)
    return top + (float(np.clip(-b / (2 * a), -half, half)) if a < 0 else 0.0), float(values[top])


@given(
    st.lists(st.tuples(st.floats(4, 43), st.floats(4, 59)), min_size=1, max_size=5),
    st.sampled_from([1.0, 2.0, 3.0]),
    st.sampled_from([3, 5, 9]),
    st.sampled_from([LINEAR, SOFTMAX]),
)
@settings(max_examples=50, deadline=None)
def test_what_a_network_is_trained_towards_is_decoded_exactly(points, ratio, window, kind):
    truth = np.array([points])
    spec = SimccSpec(x="x", y="y", split_ratio=ratio, window=window, activation=kind.activation)
    keypoints, scores = simcc.decode_simcc(*classifications(truth, ratio=ratio), spec)
    assert keypoints.shape == truth.shape
    np.testing.assert_allclose(keypoints, truth, atol=0.02)
    assert scores.min() >= 0
    assert scores.max() <= 1


@given(seeds, st.sampled_from([1, 3, 5, 7]))
@settings(max_examples=50, deadline=None)
def test_any_values_are_decoded_as_the_textbook_loop_decodes_them(seed, window):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 3, 96)).astype(np.float32)
    y = rng.normal(size=(2, 3, 128)).astype(np.float32)
    spec = SimccSpec(x="x", y="y", window=window)
    keypoints, scores = simcc.decode_simcc(x, y, spec)
    for p in range(2):
        for k in range(3):
            (at_x, high_x), (at_y, high_y) = loop(x[p, k], window), loop(y[p, k], window)
            assert keypoints[p, k] == pytest.approx([at_x / 2, at_y / 2], abs=1e-3)
            assert scores[p, k] == pytest.approx(np.clip(min(high_x, high_y), 0, 1), abs=1e-6)


@given(seeds, st.floats(0.05, 20), st.floats(-50, 50))
@settings(max_examples=30, deadline=None)
def test_the_place_does_not_depend_on_offset_and_scale_of_the_values(seed, scale, offset):
    x, y = classifications(np.random.default_rng(seed).uniform(5, 40, (1, 4, 2)))
    plain, _ = simcc.decode_simcc(x, y, LINEAR)
    moved, _ = simcc.decode_simcc(
        (x * scale + offset).astype(np.float32), (y * scale + offset).astype(np.float32), LINEAR
    )
    np.testing.assert_allclose(plain, moved, atol=0.05)


def test_a_peak_on_the_border_stays_there():
    x, y = np.zeros((1, 2, 96), np.float32), np.zeros((1, 2, 128), np.float32)
    x[0, 0, 0] = x[0, 1, 95] = y[0, 0, 0] = y[0, 1, 127] = 1
    keypoints, _ = simcc.decode_simcc(x, y, LINEAR)
    np.testing.assert_allclose(keypoints, [[[0, 0], [47.5, 63.5]]])


def test_softmax_scores_a_trained_peak_1_two_equal_peaks_half_and_nothing_near_0():
    sure = classifications(np.array([[[20.0, 30.0]]]), scale=1.0)
    assert simcc.decode_simcc(*sure, SOFTMAX)[1][0, 0] == pytest.approx(1, abs=0.01)
    x, y = sure
    other = classifications(np.array([[[40.0, 30.0]]]), scale=1.0)[0]
    torn = np.logaddexp(x, other).astype(np.float32)
    assert simcc.decode_simcc(torn, y, SOFTMAX)[1][0, 0] == pytest.approx(0.5, abs=0.05)
    nothing = simcc.decode_simcc(np.zeros_like(x), np.zeros_like(y), SOFTMAX)[1]
    assert nothing[0, 0] < 0.2


def test_no_people_are_empty_arrays():
    empty = np.zeros((0, 17, 96), np.float32), np.zeros((0, 17, 128), np.float32)
    for spec in (LINEAR, SOFTMAX):
        keypoints, scores = simcc.decode_simcc(*empty, spec)
        assert keypoints.shape == (0, 17, 2)
        assert scores.shape == (0, 17)


@given(seeds, st.sampled_from([1.0, 2.0, 3.0]))
@settings(max_examples=30, deadline=None)
def test_a_mirrored_crop_averages_to_the_same_place(seed, ratio):
    truth = np.random.default_rng(seed).uniform(6, 40, (1, 17, 2))
    mirrored = truth[:, list(COCO_17.flip_permutation)].copy()
    mirrored[..., 0] = SIZE.width - 1 - mirrored[..., 0]
    first = classifications(truth, ratio=ratio)
    second = classifications(mirrored, ratio=ratio)
    x, y = simcc.average_mirrored(*first, tuple(second), COCO_17.flip_permutation, ratio)
    spec = SimccSpec(x="x", y="y", split_ratio=ratio)
    np.testing.assert_allclose(simcc.decode_simcc(x, y, spec)[0], truth, atol=0.02)


ORDERS = [("y", "x", "score"), ("x", "y", "score"), ("score", "x", "y")]


def table_of(points, scores, spec: RegressionSpec) -> np.ndarray:
    """Keypoints in input pixels as a network with these conventions would give them."""
    pixels = np.array([SIZE.width, SIZE.height])
    given = points
    if spec.unit == "image":
        match spec.alignment:
            case "corner":
                given = points / pixels
            case "centre":
                given = (points + 0.5) / pixels
            case "udp":
                given = points / (pixels - 1)
    columns = {"x": given[..., 0], "y": given[..., 1], "score": scores}
    return np.stack([columns[name] for name in spec.order], axis=-1).astype(np.float32)


@given(
    seeds,
    st.sampled_from(ORDERS),
    st.sampled_from(["image", "pixels"]),
    st.sampled_from(["corner", "centre", "udp"]),
)
@settings(max_examples=40, deadline=None)
def test_coordinates_are_read_in_any_convention(seed, order, unit, alignment):
    rng = np.random.default_rng(seed)
    truth, sure = rng.uniform(0, 47, (2, 17, 2)), rng.uniform(size=(2, 17))
    spec = RegressionSpec(output="o", order=order, unit=unit, alignment=alignment)
    table = table_of(truth, sure, spec)
    keypoints, scores = regression.decode_regression(table[:, None], 17, SIZE, spec)
    np.testing.assert_allclose(keypoints, truth, atol=1e-3)
    np.testing.assert_allclose(scores, sure, atol=1e-6)

    mirrored = truth[:, list(COCO_17.flip_permutation)].copy()
    mirrored[..., 0] = SIZE.width - 1 - mirrored[..., 0]
    other = table_of(mirrored, sure[:, list(COCO_17.flip_permutation)], spec)
    twins = COCO_17.flip_permutation
    averaged = regression.average_mirrored_table(table, other, twins, SIZE, spec)
    back, _ = regression.decode_regression(averaged, 17, SIZE, spec)
    np.testing.assert_allclose(back, truth, atol=1e-3)


def test_score_logits_become_probabilities():
    spec = RegressionSpec(output="o", activation="sigmoid")
    table = np.zeros((1, 17, 3), np.float32)
    table[0, 0, 2] = -1000
    scores = regression.decode_regression(table, 17, SIZE, spec)[1]
    assert scores[0, 0] == pytest.approx(0)
    assert scores[0, 1] == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(1, 16, 3), (1, 1, 17, 2), (17, 3), (1, 3, 17)])
def test_a_table_of_another_shape_is_refused(shape):
    with pytest.raises(ManifestError, match=r"expected \(N, 17, 3\)"):
        regression.decode_regression(
            np.zeros(shape, np.float32), 17, SIZE, RegressionSpec(output="o")
        )
