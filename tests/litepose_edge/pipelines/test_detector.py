"""Images to person boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge import Estimator, backends
from litepose_edge.decoding.detector_heads import decode_levels
from litepose_edge.errors import ManifestError, ModelError
from litepose_edge.manifest import (
    DecodedFormat,
    DetectorSpec,
    FastestdetFormat,
    GflFormat,
    InputSpec,
    Manifest,
    RtmdetFormat,
    TestTimeView,
    YoloxFormat,
)
from litepose_edge.pipelines import detector
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.testing import FakeSession

INPUT = InputSpec(width=64, height=64, colour="rgb", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
MANIFEST = Manifest(
    schema=1,
    name="fake",
    precision="fp32",
    input=INPUT,
    model=DetectorSpec(
        output_format="persondet", outputs=("a", "b"), strides=(8, 16), fill=(1, 2, 3), max_iou=0.6
    ),
)


def levels(*cells: tuple[int, int, int, float, float]) -> dict[str, np.ndarray]:
    """Maps that are empty but for `(level, y, x, logit, log distance)`."""
    maps = [np.full((1, 5, 8, 8), -20, np.float32), np.full((1, 5, 4, 4), -20, np.float32)]
    for level, y, x, logit, distance in cells:
        maps[level][0, :, y, x] = [logit, *[distance] * 4]
    return {"a": maps[0], "b": maps[1]}


def opened(session, manifest, **options) -> PersonDetector:
    return PersonDetector(lambda _: session, manifest, 1, **options)


def test_a_cell_becomes_the_box_around_its_centre():
    maps = levels((1, 1, 2, 2.0, np.log(1.5)))
    boxes, scores = decode_levels([maps["a"], maps["b"]], (8, 16), 0.3)
    # Centre of cell (x 2, y 1) at stride 16 is (39.5, 23.5); 1.5 strides each way.
    np.testing.assert_allclose(boxes, [[15.5, -0.5, 63.5, 47.5]], atol=1e-4)
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-2.0)), rtol=1e-5)


def test_cells_below_the_score_are_skipped():
    maps = levels((0, 1, 1, 0.0, 0.0), (0, 5, 5, 3.0, 0.0))
    boxes, scores = decode_levels([maps["a"], maps["b"]], (8, 16), 0.6)
    assert len(boxes) == 1
    assert scores[0] > 0.9


def test_boxes_come_back_in_image_pixels_best_first():
    session = FakeSession(levels((0, 1, 1, 1.0, 0.0), (0, 6, 6, 3.0, 0.0)), ("N", 3, 64, 64))
    boxes, scores = opened(session, MANIFEST)(np.zeros((128, 128, 3), np.uint8), 0.3)
    assert (np.diff(scores) < 0).all()
    # Input pixel p is image pixel 2 p + 0.5: both count from pixel centres.
    np.testing.assert_allclose(boxes[0], np.array([43.5, 43.5, 59.5, 59.5]) * 2 + 0.5, atol=1e-3)


def test_the_same_person_seen_by_two_cells_is_one_box():
    maps = levels((0, 3, 3, 2.0, 1.0), (0, 3, 4, 1.5, 1.0))
    boxes, _ = opened(FakeSession(maps), MANIFEST)(np.zeros((64, 64, 3), np.uint8), 0.3)
    assert len(boxes) == 1


def test_no_people_are_an_empty_array():
    session = FakeSession(levels())
    boxes, scores = opened(session, MANIFEST)(np.zeros((50, 70, 3), np.uint8), 0.3)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_boxes_stay_inside_the_image():
    maps = levels((0, 0, 0, 3.0, 2.0), (1, 3, 3, 3.0, 2.0))
    boxes, _ = opened(FakeSession(maps), MANIFEST)(np.zeros((64, 64, 3), np.uint8), 0.3)
    assert boxes.min() >= -0.5
    assert boxes.max() <= 63.5


def test_the_border_is_filled_with_the_manifests_colour():
    session = FakeSession(levels(), ("N", 3, 64, 64))
    opened(session, MANIFEST)(np.full((32, 64, 3), 200, np.uint8), 0.3)
    assert session.batches[0][0, :, 0, 0].tolist() == [3, 2, 1]


def test_a_pose_network_is_no_detector():
    pose = backends.find_model("lrpose-s").manifest
    with pytest.raises(ManifestError, match="is no detector"):
        opened(FakeSession({}), pose)


def manifest(output_format, outputs=("o",), **fields) -> Manifest:
    model = DetectorSpec(
        output_format=output_format, outputs=outputs, fill=(9, 9, 9), max_iou=0.6, **fields
    )
    return Manifest(schema=1, name="fake", precision="fp32", input=INPUT, model=model)


def one_box(format_name: str, box: np.ndarray, score: float) -> tuple[Manifest, FakeSession]:
    """A network of each style that reports one box, edges counted from the input's corner."""
    x1, y1, x2, y2 = box
    middle, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    column, row = (middle // 16).astype(int)
    cell = row * 4 + column
    logit = float(np.log(score / (1 - score)))
    match format_name:
        case "yolox":
            table = np.zeros((1, 16, 6), np.float32)
            table[0, cell] = [*(middle / 16 - [column, row]), *np.log(size / 16), score, 1]
            return manifest(YoloxFormat(), strides=(16,)), FakeSession({"o": table})
        case "rtmdet":
            scores = np.full((1, 1, 4, 4), -20, np.float32)
            sides = np.zeros((1, 4, 4, 4), np.float32)
            x, y = column * 16, row * 16
            scores[0, 0, row, column] = logit
            sides[0, :, row, column] = [x - x1, y - y1, x2 - x, y2 - y]
            spec = manifest(RtmdetFormat(), ("s", "d"), strides=(16,))
            return spec, FakeSession({"s": scores, "d": sides})
        case "gfl":
            table = np.zeros((1, 16, 1 + 4 * 6), np.float32)
            x, y = column * 16 + 8, row * 16 + 8
            steps = np.array([x - x1, y - y1, x2 - x, y2 - y]) / 16
            table[0, cell, 0] = score
            # All weight on the two steps beside the distance.
            weights = np.maximum(1 - np.abs(np.arange(6) - steps[:, None]), 1e-12)
            table[0, cell, 1:] = np.log(weights).ravel()
            return manifest(GflFormat(bins=6), strides=(16,)), FakeSession({"o": table})
        case "fastestdet":
            maps = np.zeros((1, 6, 4, 4), np.float32)
            share = size / 64
            offsets = np.arctanh(middle / 16 - [column, row])
            maps[0, :, row, column] = [
                score ** (1 / 0.6),
                *offsets,
                *np.log(share / (1 - share)),
                1,
            ]
            return manifest(FastestdetFormat(), strides=(16,)), FakeSession({"o": maps})
        case _:
            table = np.array([[[*box, score]]], np.float32)
            output_format = DecodedFormat(columns=("x1", "y1", "x2", "y2", "score"))
            return manifest(output_format), FakeSession({"o": table})


@given(
    st.sampled_from(["yolox", "rtmdet", "gfl", "fastestdet", "decoded"]),
    st.floats(8, 40),
    st.floats(8, 40),
    st.floats(17, 22),
    st.floats(17, 22),
    st.floats(0.4, 0.99),
)
@settings(max_examples=60, deadline=None)
def test_the_same_box_is_found_whatever_style_reports_it(name, x, y, width, height, score):
    box = np.array([x, y, x + width, y + height])
    spec, session = one_box(name, box, score)
    boxes, scores = opened(session, spec)(np.zeros((64, 64, 3), np.uint8), 0.3)
    np.testing.assert_allclose(boxes, [box - 0.5], atol=0.01)
    np.testing.assert_allclose(scores, [score], rtol=1e-3)


@given(
    st.sampled_from(["centre", "corner", "stretch"]),
    st.integers(1, 300),
    st.integers(1, 300),
    st.lists(st.floats(0, 1), min_size=4, max_size=4, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_wherever_the_image_is_placed_its_boxes_come_back(placement, width, height, parts):
    x1, x2 = sorted(parts[:2])
    y1, y2 = sorted(parts[2:])
    truth = np.array([x1 * width, y1 * height, x2 * width, y2 * height])
    scale = np.array([64 / width, 64 / height])
    if placement != "stretch":
        scale[:] = scale.min()
    shift = (64 - scale * [width, height]) / 2 if placement == "centre" else np.zeros(2)
    box = truth * np.tile(scale, 2) + np.tile(shift, 2)
    output_format = DecodedFormat(columns=("x1", "y1", "x2", "y2", "score"))
    session = FakeSession({"o": np.array([[[*box, 0.9]]], np.float32)})
    image = np.zeros((height, width, 3), np.uint8)
    boxes, _ = opened(session, manifest(output_format, placement=placement))(image, 0.3)
    if len(boxes):
        np.testing.assert_allclose(boxes[0], truth - 0.5, atol=0.01)
    else:  # thinner than float32 can tell
        assert min(x2 - x1, y2 - y1) < 1e-5


@pytest.mark.parametrize(
    ("placement", "filled"), [("corner", (63, 0)), ("centre", (0, 0)), ("stretch", None)]
)
def test_the_place_beside_the_image_is_filled(placement, filled):
    session = FakeSession({"o": np.zeros((1, 0, 5), np.float32)})
    output_format = DecodedFormat(columns=("x1", "y1", "x2", "y2", "score"))
    find = opened(session, manifest(output_format, placement=placement))
    find(np.full((32, 64, 3), 200, np.uint8), 0.3)
    seen = session.batches[0][0, 0]
    if filled is None:
        assert seen.min() > 100
    else:
        assert seen[filled] == 9
        assert (seen == 200).sum() >= 30 * 64


def test_other_classes_are_left_out():
    table = np.array([[[1, 1, 9, 9, 0.9, 0], [20, 20, 40, 40, 0.8, 14]]], np.float32)
    output_format = DecodedFormat(columns=("x1", "y1", "x2", "y2", "score", "label"))
    find = PersonDetector(
        lambda _: FakeSession({"o": table}), manifest(output_format, person=14), 1
    )
    boxes, _ = find(np.zeros((64, 64, 3), np.uint8), 0.3)
    np.testing.assert_allclose(boxes, [[19.5, 19.5, 39.5, 39.5]], atol=1e-4)


def test_scores_beyond_1_are_a_wrong_manifest():
    table = np.array([[[1, 1, 9, 9, 4.2]]], np.float32)
    output_format = DecodedFormat(columns=("x1", "y1", "x2", "y2", "score"))
    with pytest.raises(ManifestError, match=r"4\.2, beyond 1"):
        opened(FakeSession({"o": table}), manifest(output_format))(
            np.zeros((64, 64, 3), np.uint8), 0.3
        )


def test_boxes_that_are_not_finite_are_left_out():
    table = np.array([[[np.nan, 1, 9, 9, 0.9], [1, 1, np.inf, 9, 0.9], [1, 1, 9, 9, np.nan]]])
    output_format = DecodedFormat(columns=("x1", "y1", "x2", "y2", "score"))
    find = PersonDetector(
        lambda _: FakeSession({"o": table.astype(np.float32)}), manifest(output_format), 1
    )
    assert len(find(np.zeros((64, 64, 3), np.uint8), 0.0)[0]) == 0


def test_a_threshold_of_0_keeps_the_most_promising_cells_only():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 60, (4000, 2))
    scores = rng.permutation(np.linspace(0.001, 0.999, 4000))
    table = np.column_stack([corners, corners + 0.5, scores])[None].astype(np.float32)
    output_format = DecodedFormat(columns=("x1", "y1", "x2", "y2", "score"))
    find = opened(FakeSession({"o": table}), manifest(output_format))
    _, found = find(np.zeros((64, 64, 3), np.uint8), 0.0)
    assert len(found) <= detector.MAX_CANDIDATES
    assert found[0] == pytest.approx(0.999)
    assert found[-1] > 0.7


def test_a_missing_output_is_a_wrong_manifest():
    with pytest.raises(ManifestError, match="no output 'o'"):
        PersonDetector(
            lambda _: FakeSession({"other": np.zeros((1, 1, 5))}), manifest(DecodedFormat()), 1
        )(np.zeros((64, 64, 3), np.uint8), 0.3)


FREE = ("N", 3, "H", "W")


def bright_cells(batch: np.ndarray) -> dict[str, np.ndarray]:
    """A network that sees a person, a stride each way, in every bright cell of 16 pixels."""
    _, _, height, width = batch.shape
    cells = batch[0].mean(axis=0).reshape(height // 16, 16, width // 16, 16).mean(axis=(1, 3))
    coarse = np.zeros((1, 5, *cells.shape), np.float32)
    coarse[0, 0] = np.where(cells > 250, 2.0, -20)
    return {"a": np.full((1, 5, height // 8, width // 8), -20, np.float32), "b": coarse}


def looking(*views: TestTimeView) -> Manifest:
    model = DetectorSpec(
        output_format="persondet",
        outputs=("a", "b"),
        strides=(8, 16),
        fill=(0, 0, 0),
        max_iou=0.6,
        views=views,
    )
    return Manifest(schema=1, name="fake", precision="fp32", input=INPUT, model=model)


def spot(height: int, width: int, y: int, x: int, side: int = 64) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[y : y + side, x : x + side] = 255
    return image


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_mirrored_view_says_where_people_are_in_the_image(mirrored):
    manifest = looking(TestTimeView(width=128, height=128, mirrored=mirrored))
    session = FakeSession(bright_cells, FREE)
    boxes, _ = opened(session, manifest)(spot(256, 512, 64, 64), 0.3)
    # The spot is one cell of the input: x from 16 to 32 of 128, and a stride more each way.
    np.testing.assert_allclose(boxes, [[31.5, 31.5, 159.5, 159.5]], atol=1e-3)
    assert (session.batches[0][0, 0, 24, 24] > 250) == (not mirrored)


def test_two_views_are_two_runs_and_one_box():
    manifest = looking(
        TestTimeView(width=64, height=64), TestTimeView(width=128, height=128, mirrored=True)
    )
    session = FakeSession(bright_cells, FREE)
    boxes, scores = opened(session, manifest)(spot(256, 256, 0, 128), 0.3)
    assert [batch.shape[2:] for batch in session.batches] == [(64, 64), (128, 128)]
    assert len(boxes) > 0
    assert scores[0] <= 1 / (1 + np.exp(-2.0)) + 1e-6
    assert boxes[:, 0].min() >= 64


def test_a_box_in_one_of_two_views_counts_half():
    manifest = looking(
        TestTimeView(width=64, height=64), TestTimeView(width=128, height=128, mirrored=True)
    )
    # 32 pixels of 512 are a cell at 256 and half a cell at 128: too dark there.
    session = FakeSession(bright_cells, FREE)
    found, scores = opened(session, manifest)(spot(512, 512, 64, 64), 0.3)
    assert len(found) == 1
    np.testing.assert_allclose(scores, 0.5 / (1 + np.exp(-2.0)), rtol=1e-5)
    assert len(opened(session, manifest)(spot(512, 512, 64, 64), 0.5)[1]) == 0


@pytest.mark.parametrize(
    ("image", "batch"),
    [((128, 128), (64, 64)), ((64, 128), (32, 64)), ((72, 128), (48, 64)), ((300, 3), (64, 16))],
)
def test_a_network_of_free_size_sees_little_border(image, batch):
    session = FakeSession(bright_cells, FREE)
    opened(session, looking())(np.zeros((*image, 3), np.uint8), 0.3)
    assert session.batches[0].shape[2:] == batch


def test_one_size_can_be_asked_for():
    session = FakeSession(bright_cells, FREE)
    manifest = looking(TestTimeView(width=64, height=64), TestTimeView(width=128, height=128))
    opened(session, manifest, size=96)(np.zeros((128, 128, 3), np.uint8), 0.3)
    assert [batch.shape[2:] for batch in session.batches] == [(96, 96)]


def test_sizes_that_the_network_cannot_take_are_refused():
    free, fixed = FakeSession(bright_cells, FREE), FakeSession(bright_cells, ("N", 3, 64, 64))
    with pytest.raises(ModelError, match="steps of 16 pixels, not 100"):
        opened(free, looking(), size=100)
    with pytest.raises(ModelError, match="takes 64x64 pixels only"):
        opened(fixed, looking(), size=128)
    with pytest.raises(ManifestError, match="takes 64x64 pixels only"):
        opened(fixed, looking(TestTimeView(width=128, height=128)))
    opened(fixed, looking(), size=64)


def test_the_estimator_hands_the_size_on(frame, monkeypatch):
    sides, warp = [], detector.warp

    def spy(image, to_input, size, **options):
        sides.append(max(size.width, size.height))
        return warp(image, to_input, size, **options)

    monkeypatch.setattr(detector, "warp", spy)
    for size, expected in ((160, [160]), (None, [224, 352])):
        sides.clear()
        with Estimator(detector_size=size, threads=1) as estimator:
            estimator.predict(frame)
        assert sides == expected


@pytest.mark.parametrize("given", [None, lambda frame: [[0, 0, 9, 9]]])
def test_a_size_is_for_detectors_that_are_models(given):
    with pytest.raises(ValueError, match="detector_size is for"):
        Estimator(detector=given, detector_size=224)


def test_a_size_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 32"):
        Estimator(detector_size=0)
