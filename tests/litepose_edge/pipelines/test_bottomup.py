"""Images to everybody's keypoints, with a network that draws what it is told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge import COCO_17, geometry
from litepose_edge.errors import ManifestError, ModelError
from litepose_edge.geometry import Size
from litepose_edge.manifest import BottomUpSpec, HeatmapSpec, InputSpec, Manifest, TopDownSpec
from litepose_edge.pipelines.bottomup import MAX_ASPECT, BottomUp, published_view
from litepose_edge.pipelines.bottomup_options import BottomUpOptions
from litepose_edge.testing import FakeSession

INPUT = InputSpec(
    width=256, height=256, colour="rgb", mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0)
)
SPEC = BottomUpSpec(coarse="coarse", fine="fine", skeleton=COCO_17)
MANIFEST = Manifest(schema=1, name="fake", precision="fp32", input=INPUT, model=SPEC)
LARGE = msgspec.structs.replace(
    MANIFEST, input=msgspec.structs.replace(INPUT, width=448, height=448)
)
FREE, FIXED = ("N", 3, "H", "W"), (1, 3, 256, 256)
FIGURE = np.array(
    [
        (0, -20), (1.5, -21), (-1.5, -21), (3, -20), (-3, -20), (5, -14), (-5, -14), (8, -6),
        (-8, -6), (9, 1), (-9, 1), (3, 2), (-3, 2), (4, 12), (-4, 12), (4, 21), (-4, 21),
    ],
    np.float64,
)  # fmt: skip


def bottom_up(session: FakeSession, *, flip: bool = False, **given) -> BottomUp:
    return BottomUp(lambda threads: session, MANIFEST, 1, BottomUpOptions(**given), flip_test=flip)


def frame(size: Size) -> np.ndarray:
    """Bright on the left, so that the network can tell a mirrored image."""
    image = np.zeros((size.height, size.width, 3), np.uint8)
    image[:, : (size.width + 1) // 2] = 200
    return image


def maps_of(points: np.ndarray, seen: np.ndarray, size: Size, stride: int) -> tuple:
    """Heat and tags of one stride: Gaussians of two cells in the middle of whole cells."""
    width, height = size.width // stride, size.height // stride
    heat = np.zeros((17, height, width), np.float32)
    tags = np.zeros((17, height, width), np.float32)
    rows, columns = np.mgrid[:height, :width]
    nearest = np.full((17, height, width), np.inf)
    for person, joint in zip(*seen.nonzero(), strict=True):
        x, y = np.floor(points[person, joint] / stride)
        distance = (columns - x) ** 2 + (rows - y) ** 2
        np.maximum(heat[joint], 0.9 * np.exp(-distance / 8).astype(np.float32), out=heat[joint])
        mine = (distance < 20) & (distance < nearest[joint])
        nearest[joint][mine] = distance[mine]
        tags[joint][mine] = 2.5 * (person + 1)
    return heat, tags


def network_that_sees(
    people: np.ndarray,
    to_input: Callable[[Size], np.ndarray],
    *,
    seen: np.ndarray | None = None,
    shape: tuple[int | str, ...] = FREE,
    gain: float = 1.0,
) -> FakeSession:
    """Maps of people `(P, 17, 2)` in image pixels, wherever an input of some size shows them."""
    visible = np.ones(people.shape[:2], bool) if seen is None else seen

    def run(batch: np.ndarray) -> dict[str, np.ndarray]:
        size = Size(batch.shape[3], batch.shape[2])
        points, there = geometry.transform(to_input(size), people), visible
        half = size.width // 2
        if batch[..., half:].sum() > batch[..., :half].sum():
            twins = list(COCO_17.flip_permutation)
            points = (points * [-1, 1] + [size.width - 1, 0])[:, twins]
            there = visible[:, twins]
        heat, tags = maps_of(points, there, size, 4)
        fine, _ = maps_of(points, there, size, 2)
        return {
            "coarse": gain * np.concatenate([heat, tags / gain])[None],
            "fine": gain * fine[None],
        }

    return FakeSession(run, shape)


def published(image_size: Size) -> Callable[[Size], np.ndarray]:
    """How an image of this size is laid into an input of another, scale for scale."""

    def to_input(size: Size) -> np.ndarray:
        view = published_view(image_size, min(size.width, size.height), 64)
        assert view.size == size
        return view.to_input

    return to_input


def letterboxed(image_size: Size) -> Callable[[Size], np.ndarray]:
    """The same for fitting it in."""
    return lambda size: geometry.letterbox_affine(image_size, size)


def recovered(poses, people: np.ndarray, within: float) -> int:
    """How many people somebody's keypoints all come near to."""
    distance = np.abs(poses.keypoints[:, None] - people[None]).max(axis=(2, 3))
    return int((distance.min(axis=0, initial=np.inf) <= within).sum())


@given(
    st.sampled_from([(640, 480), (480, 640), (333, 517), (97, 60), (1920, 1080)]),
    st.sampled_from(["published", "letterbox"]),
    st.sampled_from(["stride2", "input"]),
    st.booleans(),
    st.integers(0),
)
@settings(max_examples=40, deadline=None)
def test_points_of_the_image_come_back_to_themselves(size, resize, nms_at, flip, seed):
    size, rng = Size(*size), np.random.default_rng(seed)
    unit = min(size.width, size.height)
    people = np.stack(
        [FIGURE * unit / 60 + [size.width * at, size.height * 0.5] for at in (0.3, 0.6)]
    )
    people += rng.uniform(-0.02, 0.02, people.shape) * unit
    place = published(size) if resize == "published" else letterboxed(size)
    session = network_that_sees(people, place)
    poses = bottom_up(session, resize=resize, nms_at=nms_at, flip=flip)(frame(size))
    batch = session.batches[0]
    input_px = 1 / place(Size(batch.shape[3], batch.shape[2]))[0, 0]
    assert len(poses) == 2
    # Cells of stride 2 are the middle of the published rounding: a pixel, and the quarter shift.
    assert recovered(poses, people, 1.8 * input_px) == 2
    assert poses.image_size == size
    assert poses.track_ids is None


def test_keypoints_lie_on_the_average_where_they_are():
    """Neither half a cell nor half a pixel to one side, at either place to look for peaks."""
    size = Size(640, 480)
    errors: dict[str, list[np.ndarray]] = {"stride2": [], "input": []}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        people = FIGURE[None] * 6 + [320, 240] + rng.uniform(-20, 20, (1, 17, 2))
        for nms_at in errors:
            session = network_that_sees(people, published(size))
            poses = bottom_up(session, nms_at=nms_at)(frame(size))
            errors[nms_at].append((poses.keypoints[0] - people[0]) * 256 / 480)
    for found in errors.values():
        at = np.concatenate(found)
        assert np.abs(at.mean(axis=0)).max() < 0.15
        assert np.abs(at).mean() < 0.75


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (640, 480, (384, 256)),
        (480, 640, (256, 384)),
        (500, 500, (256, 256)),
        (1, 1, (256, 256)),
        (2, 3, (256, 384)),
        (4000, 3000, (384, 256)),
        (4000, 10, (1024, 256)),
        (10, 4000, (256, 1024)),
    ],
)
def test_the_published_input_is_as_wide_as_the_image_wants(width, height, expected):
    session = FakeSession(lambda batch: maps_for(batch), FREE)
    poses = bottom_up(session)(np.zeros((height, width, 3), np.uint8))
    assert session.batches[0].shape == (1, 3, expected[1], expected[0])
    assert len(poses) == 0
    assert poses.keypoints.shape == (0, 17, 2)
    assert max(expected) <= MAX_ASPECT * 256


def maps_for(batch: np.ndarray, level: float = 0.0) -> dict[str, np.ndarray]:
    """Flat maps for a batch."""
    _, _, height, width = batch.shape
    return {
        "coarse": np.full((1, 34, height // 4, width // 4), level, np.float32),
        "fine": np.full((1, 17, height // 2, width // 2), level, np.float32),
    }


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([224, 256, 448]))
@settings(max_examples=80)
def test_the_whole_image_is_in_the_input_and_the_short_side_fills_it(width, height, short):
    view = published_view(Size(width, height), short, 64)
    corners = geometry.transform(view.to_input, np.array([[0, 0], [width, height]]))
    scale = view.to_input[0, 0]
    assert view.size.width % 64 == view.size.height % 64 == 0
    # The anchor is rounded to a pixel of the image, the long side to one of the input.
    assert corners.min() >= -scale - 0.51
    assert (corners[1] <= np.array([view.size.width, view.size.height]) + scale + 0.51).all()
    if max(width, height) <= MAX_ASPECT * min(width, height):
        assert scale * min(width, height) == pytest.approx(min(view.size.width, view.size.height))


@pytest.mark.parametrize("resize", ["published", "letterbox"])
def test_a_file_of_one_size_gets_the_image_fitted_in(resize):
    size = Size(640, 480)
    people = FIGURE[None] * 7 + [300, 240]
    session = network_that_sees(people, letterboxed(size), shape=FIXED)
    poses = bottom_up(session, resize=resize)(frame(size))
    assert session.batches[0].shape == (1, 3, 256, 256)
    assert recovered(poses, people, 1.8 * 640 / 256) == 1


@pytest.mark.parametrize("flip", [False, True])
def test_several_scales_agree_where_they_see_the_same(flip):
    size = Size(640, 480)
    people = np.stack([FIGURE * 6 + [200, 240], FIGURE * 7 + [430, 250]])
    session = network_that_sees(people, published(size))
    poses = bottom_up(session, scales=(0.5, 1.0, 2.0), flip=flip)(frame(size))
    assert {batch.shape[2:] for batch in session.batches} == {(128, 192), (256, 384), (512, 704)}
    assert len(session.batches) == (6 if flip else 3)
    assert len(poses) == 2
    assert recovered(poses, people, 2 * 480 / 256) == 2


def test_several_scales_ask_for_a_file_of_free_size():
    with pytest.raises(ModelError, match="--dynamic-size"):
        bottom_up(FakeSession({}, FIXED), scales=(1.0, 2.0))


@pytest.mark.parametrize("count", [1, 8, 30])
def test_a_crowd_is_told_apart_on_a_large_frame(count):
    size, rng = Size(1920, 1440), np.random.default_rng(count)
    places = rng.permutation(np.mgrid[:7, :6].reshape(2, -1).T)[:count] * [260, 220] + [180, 170]
    people = FIGURE[None] * rng.uniform(4, 7, (count, 1, 1)) + places[:, None]
    session = network_that_sees(people, published(size))
    poses = BottomUp(lambda threads: session, LARGE, 1)(frame(size))
    assert len(poses) == count
    assert recovered(poses, people, 1.8 * 1440 / 448) >= 0.99 * count
    assert (np.diff(poses.person_scores) <= 0).all()


def test_more_people_than_the_cap_are_cut_to_it():
    size = Size(1920, 1440)
    places = np.mgrid[:8, :5].reshape(2, -1).T * [220, 250] + [180, 200]
    session = network_that_sees(FIGURE[None] * 7 + places[:, None], published(size))
    manifest = msgspec.structs.replace(LARGE, model=msgspec.structs.replace(SPEC, max_people=12))
    assert len(BottomUp(lambda threads: session, manifest, 1)(frame(size))) == 12


def test_a_hidden_keypoint_scores_0_in_the_middle_of_the_others():
    size = Size(512, 512)
    people = FIGURE[None] * 8 + [250, 250]
    seen = np.ones((1, 17), bool)
    seen[0, [0, 9, 15]] = False
    session = network_that_sees(people, published(size), seen=seen)
    poses = bottom_up(session)(frame(size))
    assert len(poses) == 1
    assert ((poses.scores[0] > 0) == seen[0]).all()
    middle = poses.keypoints[0, seen[0]].mean(axis=0)
    np.testing.assert_allclose(poses.keypoints[0, ~seen[0]], np.tile(middle, (3, 1)), atol=0.6)
    assert poses.person_scores[0] == pytest.approx(poses.scores[0].sum() / 17, abs=1e-5)


def test_scores_of_linear_maps_stay_within_0_and_1():
    size = Size(512, 512)
    session = network_that_sees(FIGURE[None] * 8 + [250, 250], published(size), gain=1.5)
    poses = bottom_up(session)(frame(size))
    assert poses.scores.max() == 1
    assert poses.person_scores.max() <= 1


def test_keypoints_beside_the_image_alone_are_no_person():
    size = Size(100, 300)
    people = FIGURE[None] * 0.5 + [-60, 150]
    session = network_that_sees(people, letterboxed(size), shape=FIXED)
    assert len(bottom_up(session)(frame(size))) == 0


def test_threads_do_not_disturb_each_other():
    sizes = [Size(300, 200), Size(200, 300), Size(256, 256), Size(500, 200), Size(200, 410)]
    session = FakeSession(from_pixels, FREE)
    network = BottomUp(lambda threads: session, MANIFEST, 2)
    frames = [
        np.random.default_rng(i).integers(0, 256, (s.height, s.width, 3), np.uint8)
        for i, s in enumerate(sizes * 3)
    ]
    alone = [network(image) for image in frames]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(network, frames))
    for first, second in zip(alone, together, strict=True):
        assert len(first) > 0
        np.testing.assert_array_equal(first.keypoints, second.keypoints)
        np.testing.assert_array_equal(first.scores, second.scores)


def from_pixels(batch: np.ndarray) -> dict[str, np.ndarray]:
    """Maps that are the image itself."""
    fine = batch[:, :1, ::2, ::2].repeat(17, axis=1)
    coarse = batch[:, :1, ::4, ::4].repeat(34, axis=1)
    return {"coarse": coarse.copy(), "fine": fine.copy()}


def test_the_network_is_opened_with_the_threads_given_and_closed_for_good():
    opened: list[int] = []
    session = FakeSession(lambda batch: maps_for(batch), FREE)

    def open_session(threads: int) -> FakeSession:
        opened.append(threads)
        return session

    network = BottomUp(open_session, MANIFEST, 3)
    network(frame(Size(80, 60)))
    network(frame(Size(60, 80)))
    network.close()
    network.close()
    assert opened == [3]
    assert session.closed


@pytest.mark.parametrize(
    "shape", [("N", 3, None, None), (1, 3, "H", "W"), ("N", "H", "W", 3), (1, "H", "W", 3)]
)
def test_a_free_size_is_known_by_its_axes(shape):
    pixels = shape[-1] == 3
    spec = msgspec.structs.replace(INPUT, dtype="uint8") if pixels else INPUT
    manifest = msgspec.structs.replace(MANIFEST, input=spec)

    def run(batch: np.ndarray) -> dict[str, np.ndarray]:
        return maps_for(batch.transpose(0, 3, 1, 2) if pixels else batch)

    session = FakeSession(run, shape)
    BottomUp(lambda threads: session, manifest, 1)(frame(Size(640, 480)))
    assert session.batches[0].shape == ((1, 256, 384, 3) if pixels else (1, 3, 256, 384))


def test_a_top_down_network_is_refused():
    model = TopDownSpec(
        padding=1.25,
        heatmaps=HeatmapSpec(
            output="maps", activation="linear", alignment="corner", refinement="quarter"
        ),
        skeleton=COCO_17,
    )
    manifest = msgspec.structs.replace(MANIFEST, model=model)
    with pytest.raises(ManifestError, match="no bottom-up"):
        BottomUp(lambda threads: FakeSession({}), manifest, 1)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"coarse": np.zeros((1, 34, 8, 8), np.float32)}, "no output 'fine'"),
        ({"coarse": np.zeros((1, 17, 8, 8)), "fine": np.zeros((1, 17, 16, 16))}, "34 maps"),
        ({"coarse": np.zeros((1, 34, 8, 8)), "fine": np.zeros((1, 14, 16, 16))}, "17 maps"),
        ({"coarse": np.zeros((34, 8, 8)), "fine": np.zeros((1, 17, 16, 16))}, "34 maps"),
    ],
)
def test_outputs_the_manifest_does_not_describe_are_refused(outputs, message):
    network = bottom_up(FakeSession(outputs, FIXED))
    with pytest.raises(ManifestError, match=message):
        network(frame(Size(64, 64)))


@pytest.mark.parametrize(
    ("option", "value"),
    [("resize", "stretch"), ("nms_at", "s4"), *(("scales", s) for s in ((), (0.0,), (np.nan,)))],
)
def test_unknown_options_are_refused(option, value):
    with pytest.raises(ValueError, match=option):
        BottomUpOptions(**{option: value})
