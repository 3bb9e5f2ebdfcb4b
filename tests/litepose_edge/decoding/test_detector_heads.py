"""Detector outputs to boxes: every style against a plain loop over its cells."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge import Size
from litepose_edge.decoding import detector_heads
from litepose_edge.errors import ManifestError
from litepose_edge.manifest import DecodedFormat, GflFormat, RtmdetFormat, YoloxFormat

SIZE = Size(64, 48)
STRIDES = (8, 16, 32)
CELLS = [
    (x, y, stride)
    for stride in STRIDES
    for y in range(math.ceil(48 / stride))
    for x in range(math.ceil(64 / stride))
]
PERSON = 1
seeds = st.integers(0, 2**32 - 1)


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def probabilities(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def maps(table: np.ndarray) -> list[np.ndarray]:
    """The rows of all levels' cells as one map `(1, C, h, w)` a level."""
    levels, start = [], 0
    for stride in STRIDES:
        rows, columns = math.ceil(48 / stride), math.ceil(64 / stride)
        part = table[start : start + rows * columns]
        levels.append(part.T.reshape(1, -1, rows, columns))
        start += rows * columns
    return levels


def levels_of(table: np.ndarray) -> list[np.ndarray]:
    """The same as one table `(1, n, C)` a level."""
    ends = np.cumsum([math.ceil(48 / s) * math.ceil(64 / s) for s in STRIDES])
    return [part[None] for part in np.split(table, ends[:-1])]


def check(found, expected: list[tuple[list[float], float]]) -> None:
    found_boxes, found_scores = found
    assert found_boxes.shape == (len(expected), 4)
    assert found_boxes.dtype == found_scores.dtype == np.float32
    if expected:
        np.testing.assert_allclose(found_boxes, [b for b, _ in expected], rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(found_scores, [s for _, s in expected], rtol=1e-4)


@given(seeds, st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.sampled_from(["linear", "sigmoid"]))
@settings(max_examples=30, deadline=None)
def test_yolox_equals_the_loop_over_its_grid(seed, min_score, activation):
    table = noise(seed, len(CELLS), 8)
    table[:, 4:] = probabilities(seed, len(CELLS), 4)
    squash = sigmoid if activation == "sigmoid" else float
    expected = []
    for (x, y, stride), (dx, dy, w, h, objectness, *classes) in zip(CELLS, table, strict=True):
        score = squash(objectness) * squash(classes[PERSON])
        if score >= max(min_score, 1e-6) and score > 1e-6:
            cx, cy = (x + dx) * stride - 0.5, (y + dy) * stride - 0.5
            w, h = math.exp(w) * stride, math.exp(h) * stride
            expected.append(([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], score))
    found = detector_heads.decode_yolox(
        table[None], SIZE, STRIDES, YoloxFormat(activation=activation),
        person=PERSON, min_score=min_score,
    )  # fmt: skip
    check(found, expected)


def gfl_loop(classes, distances, bins, offset, min_score, squash=float):
    expected = []
    for (x, y, stride), scores, sides in zip(CELLS, classes, distances, strict=True):
        score = squash(scores[PERSON])
        if score < max(min_score, 1e-6):
            continue
        away = []
        for side in sides.reshape(4, bins).astype(np.float64):
            weights = [math.exp(v) for v in side]
            mean = sum(step * w for step, w in enumerate(weights)) / sum(weights)
            away.append(mean * stride)
        cx, cy = (x + offset) * stride - 0.5, (y + offset) * stride - 0.5
        expected.append(([cx - away[0], cy - away[1], cx + away[2], cy + away[3]], score))
    return expected


@given(
    seeds,
    st.sampled_from([0.0, 0.5, 0.9]),
    st.sampled_from([2, 8, 17]),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from(["one table", "tables", "maps"]),
)
@settings(max_examples=30, deadline=None)
def test_gfl_equals_the_loop_over_its_cells_however_it_is_laid_out(
    seed, min_score, bins, offset, layout
):
    classes = probabilities(seed, len(CELLS), 3)
    distances = noise(seed, len(CELLS), 4 * bins) * 2
    match layout:
        case "one table":
            outputs = [np.concatenate([classes, distances], axis=1)[None]]
        case "tables":
            outputs = levels_of(classes) + levels_of(distances)
        case _:
            outputs = maps(classes) + maps(distances)
    found = detector_heads.decode_gfl(
        outputs, SIZE, STRIDES, GflFormat(bins=bins, cell_offset=offset),
        person=PERSON, min_score=min_score,
    )  # fmt: skip
    check(found, gfl_loop(classes, distances, bins, offset, min_score))


def test_gfl_logits_become_probabilities():
    classes, distances = noise(3, len(CELLS), 3), noise(4, len(CELLS), 32)
    output_format = GflFormat(activation="sigmoid")
    found = detector_heads.decode_gfl(
        levels_of(classes) + levels_of(distances), SIZE, STRIDES, output_format,
        person=PERSON, min_score=0.6,
    )  # fmt: skip
    check(found, gfl_loop(classes, distances, 8, 0.5, 0.6, sigmoid))


@given(
    seeds,
    st.sampled_from([0.0, 0.5, 0.9]),
    st.sampled_from(["pixels", "strides"]),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from([maps, levels_of]),
)
@settings(max_examples=30, deadline=None)
def test_rtmdet_equals_the_loop_over_its_cells(seed, min_score, unit, offset, layout):
    classes, distances = noise(seed, len(CELLS), 2), noise(seed + 1, len(CELLS), 4) * 20
    expected = []
    for (x, y, stride), scores, sides in zip(CELLS, classes, distances, strict=True):
        if sigmoid(scores[PERSON]) < min_score:
            continue
        left, top, right, bottom = sides * (stride if unit == "strides" else 1)
        cx, cy = (x + offset) * stride - 0.5, (y + offset) * stride - 0.5
        box = [cx - left, cy - top, cx + right, cy + bottom]
        expected.append((box, sigmoid(scores[PERSON])))
    found = detector_heads.decode_rtmdet(
        layout(classes) + layout(distances), SIZE, STRIDES,
        RtmdetFormat(distances=unit, cell_offset=offset), person=PERSON, min_score=min_score,
    )  # fmt: skip
    check(found, expected)


@given(seeds, st.sampled_from([0.0, 0.5, 0.8]))
@settings(max_examples=30, deadline=None)
def test_fastestdet_equals_the_loop_over_its_map(seed, min_score):
    table = noise(seed, 12, 8)
    table[:, [0, 5, 6, 7]] = probabilities(seed, 12, 4)
    expected = []
    for i, (objectness, dx, dy, w, h, *classes) in enumerate(table):
        y, x = divmod(i, 4)
        score = objectness**0.6 * classes[PERSON] ** 0.4
        if score < max(min_score, 1e-6):
            continue
        cx, cy = (x + math.tanh(dx)) * 16 - 0.5, (y + math.tanh(dy)) * 16 - 0.5
        w, h = sigmoid(w) * 64, sigmoid(h) * 48
        expected.append(([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], score))
    found = detector_heads.decode_fastestdet(
        table.T.reshape(1, 8, 3, 4), SIZE, (16,), person=PERSON, min_score=min_score
    )
    check(found, expected)


@given(seeds, st.sampled_from([0.0, 0.5, 0.8]))
@settings(max_examples=20, deadline=None)
def test_our_own_levels_equal_the_loop_over_their_cells(seed, min_score):
    table = noise(seed, len(CELLS), 5)
    expected = []
    for (x, y, stride), (logit, *logs) in zip(CELLS, table, strict=True):
        if sigmoid(logit) < min_score:
            continue
        left, top, right, bottom = (math.exp(value) * stride for value in logs)
        cx, cy = (x + 0.5) * stride - 0.5, (y + 0.5) * stride - 0.5
        expected.append(([cx - left, cy - top, cx + right, cy + bottom], sigmoid(logit)))
    check(detector_heads.decode_levels(maps(table), STRIDES, min_score), expected)


DECODED = [
    pytest.param(
        DecodedFormat(transposed=("scores",)),
        lambda b, s, n: {"boxes": b[None], "scores": np.stack([1 - s, s])[None]},
        id="boxes, then one row of scores a class (PicoDet)",
    ),
    pytest.param(
        DecodedFormat(),
        lambda b, s, n: {"boxes": b[None], "scores": np.stack([1 - s, s], axis=1)[None]},
        id="boxes, then one column of scores a class",
    ),
    pytest.param(
        DecodedFormat(columns=("x1", "y1", "x2", "y2", "score")),
        lambda b, s, n: {"dets": np.column_stack([b, s])[None], "labels": n[None].astype(np.int64)},
        id="boxes with scores, then labels (MMDeploy)",
    ),
    pytest.param(
        DecodedFormat(columns=("x1", "y1", "x2", "y2", "score", "label")),
        lambda b, s, n: {"output": np.column_stack([b, s, n])[None]},
        id="one table with scores and labels",
    ),
    pytest.param(
        DecodedFormat(columns=("label", "score", "x1", "y1", "x2", "y2")),
        lambda b, s, n: {"output": np.column_stack([n, s, b])},
        id="one table without an axis for the batch (Paddle)",
    ),
    pytest.param(
        DecodedFormat(columns=("unused", "label", "score", "x1", "y1", "x2", "y2"), unit="image"),
        lambda b, s, n: {
            "output": np.column_stack([0 * s, n, s, b / [64, 48, 64, 48]])[None, None]
        },
        id="four axes, parts of the image (SSD)",
    ),
    pytest.param(
        DecodedFormat(columns=("y1", "x1", "y2", "x2"), unit="image"),
        lambda b, s, n: {
            "boxes": (b / [64, 48, 64, 48])[:, [1, 0, 3, 2]][None],
            "scores": s[None],
            "classes": n[None],
        },
        id="boxes, scores, labels apart, y first (TensorFlow)",
    ),
    pytest.param(
        DecodedFormat(columns=("cx", "cy", "w", "h"), transposed=("output",)),
        lambda b, s, n: {
            "output": np.column_stack([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2], 0 * s, s]).T[
                None
            ]
        },
        id="middles and sizes, class columns, transposed",
    ),
    pytest.param(
        DecodedFormat(columns=("cx", "cy", "w", "h", "objectness")),
        lambda b, s, n: {
            "output": np.column_stack(
                [(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2], np.sqrt(s), 0 * s, np.sqrt(s)]
            )[None]
        },
        id="objectness times class score",
    ),
]


@pytest.mark.parametrize("count", [0, 1, 2, 9])
@pytest.mark.parametrize(("output_format", "lay_out"), DECODED)
def test_decoded_boxes_are_read_from_any_layout(output_format, lay_out, count):
    rng = np.random.default_rng(count)
    corner = rng.uniform(0, 30, (count, 2))
    truth = np.concatenate([corner, corner + rng.uniform(1, 18, (count, 2))], axis=1)
    scores = rng.uniform(0.1, 1, count)
    labels = rng.integers(0, 3, count).astype(np.float64)
    outputs = {
        name: array if array.dtype == np.int64 else array.astype(np.float32)
        for name, array in lay_out(truth, scores, labels).items()
    }
    labelled = "label" in output_format.columns or {"labels", "classes"} & outputs.keys()
    expected = [
        ((box - 0.5).tolist(), score)
        for box, score, label in zip(truth, scores, labels, strict=True)
        if score >= 0.4 and (label == PERSON or not labelled)
    ]
    found = detector_heads.decode_decoded(
        outputs, SIZE, output_format, person=PERSON, min_score=0.4
    )
    check(found, expected)


def test_padding_rows_without_a_score_are_no_boxes():
    table = np.zeros((1, 100, 6), np.float32)
    output_format = DecodedFormat(columns=("x1", "y1", "x2", "y2", "score", "label"))
    found, scores = detector_heads.decode_decoded(
        {"o": table}, SIZE, output_format, person=0, min_score=0.0
    )
    assert len(found) == len(scores) == 0


@given(st.floats(-(2.0**100), 2.0**100, width=32))
def test_wild_outputs_give_boxes_that_are_finite(value):
    table = np.full((1, len(CELLS), 8), value, np.float32)
    table[..., 4:] = 1
    table[..., :2] = 0
    found, _ = detector_heads.decode_yolox(
        table, SIZE, STRIDES, YoloxFormat(), person=0, min_score=0.5
    )
    assert np.isfinite(found).all()
    table = np.concatenate([np.ones((len(CELLS), 1)), np.full((len(CELLS), 32), value)], axis=1)
    found, _ = detector_heads.decode_gfl(
        [table[None].astype(np.float32)], SIZE, STRIDES, GflFormat(), person=0, min_score=0.5
    )
    assert np.isfinite(found).all()


def test_outputs_of_another_size_are_refused_with_both_numbers():
    with pytest.raises(ManifestError, match="has 10 rows, strides 8, 16, 32 make 64"):
        detector_heads.decode_yolox(
            noise(0, 1, 10, 8), SIZE, STRIDES, YoloxFormat(), person=0, min_score=0.5
        )
    with pytest.raises(ManifestError, match="12 columns, the manifest says 4 x 8"):
        detector_heads.decode_gfl(
            levels_of(noise(0, len(CELLS), 1)) + levels_of(noise(0, len(CELLS), 12)),
            SIZE, STRIDES, GflFormat(), person=0, min_score=0.5,
        )  # fmt: skip
    with pytest.raises(ManifestError, match="column 9"):
        detector_heads.decode_yolox(
            noise(0, 1, len(CELLS), 8), SIZE, STRIDES, YoloxFormat(), person=4, min_score=0.5
        )
    with pytest.raises(ManifestError, match="one image"):
        detector_heads.decode_rtmdet(
            [noise(0, 2, 1, 6, 8)] * 6, SIZE, STRIDES, RtmdetFormat(), person=0, min_score=0.5
        )


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ({"o": np.zeros((1, 9, 4), np.float32)}, "no scores"),
        ({"o": np.zeros((1, 9, 3), np.float32)}, "lacks"),
        ({"o": np.zeros((2, 9, 4), np.float32)}, "one image"),
        ({"o": np.zeros(9, np.float32)}, "table"),
        ({"o": np.zeros((1, 9, 4), np.float32), "s": np.zeros((1, 5), np.float32)}, "9 boxes"),
    ],
)
def test_decoded_outputs_that_do_not_fit_are_refused(outputs, says):
    with pytest.raises(ManifestError, match=says):
        detector_heads.decode_decoded(outputs, SIZE, DecodedFormat(), person=0, min_score=0.5)
