"""Peaks and tags to people: drawn scenes, and the published procedure written as plain loops."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from litepose_edge import COCO_17, grouping
from litepose_edge.geometry import Size
from litepose_edge.manifest import BottomUpSpec
from litepose_edge.peaks import Peaks, find_peaks, hot_cells

SPEC = BottomUpSpec(coarse="coarse", fine="fine", skeleton=COCO_17)
SIDE = 224
FIGURE = np.array(
    [
        (0, -20), (1, -21), (-1, -21), (2, -20), (-2, -20), (5, -14), (-5, -14), (8, -6), (-8, -6),
        (9, 1), (-9, 1), (3, 2), (-3, 2), (4, 12), (-4, 12), (4, 21), (-4, 21),
    ],
    np.float64,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scene:
    """Maps, and what they were drawn from.

    Attributes:
        heat: `(17, SIDE, SIDE)` float32.
        tags: `(1, 17, SIDE / 2, SIDE / 2)` float32.
        cells: `(P, 17, 2)` integer places.
        seen: `(P, 17)` bool.
    """

    heat: np.ndarray
    tags: np.ndarray
    cells: np.ndarray
    seen: np.ndarray


def draw(
    rng: np.random.Generator,
    cells: np.ndarray,
    tags: np.ndarray,
    seen: np.ndarray,
    *,
    heat_noise: float = 0.05,
    tag_noise: float = 0.05,
    strength: np.ndarray | None = None,
) -> Scene:
    """Gaussians of two cells, merged by their maximum, and each person's tag around its joints."""
    joints = cells.shape[1]
    heat = rng.uniform(0, heat_noise, (joints, SIDE, SIDE)).astype(np.float32)
    maps = rng.normal(0, tag_noise, (1, joints, SIDE // 2, SIDE // 2)).astype(np.float32)
    rows, columns = np.mgrid[-7:8, -7:8]
    bell = np.exp(-(rows**2 + columns**2) / 8)
    nearest = np.full((joints, SIDE // 2, SIDE // 2), np.inf)
    for person, joint in zip(*seen.nonzero(), strict=True):
        x, y = cells[person, joint]
        top = rng.uniform(0.5, 1.0) if strength is None else strength[person]
        window = heat[joint, max(y - 7, 0) : y + 8, max(x - 7, 0) : x + 8]
        part = bell[max(7 - y, 0) :, max(7 - x, 0) :][: window.shape[0], : window.shape[1]]
        np.maximum(window, (top * part).astype(np.float32), out=window)
        down, across = np.mgrid[: SIDE // 2, : SIDE // 2]
        distance = (across * 2 + 0.5 - x) ** 2 + (down * 2 + 0.5 - y) ** 2
        mine = (distance < 49) & (distance < nearest[joint])
        nearest[joint][mine] = distance[mine]
        maps[0, joint][mine] = tags[person, joint] + rng.normal(0, tag_noise, int(mine.sum()))
    return Scene(heat, maps, cells, seen)


def place(rng: np.random.Generator, people: int, apart: int = 8) -> np.ndarray:
    """`(P, 17, 2)` figures, overlapping, but like joints of two people so many cells apart."""
    placed: list[np.ndarray] = []
    while len(placed) < people:
        size = rng.uniform(0.5, 2.0)
        figure = FIGURE * size * rng.choice([[1, 1], [-1, 1]]) + rng.normal(0, 1.5, (17, 2))
        border = size * np.array([16, 26])
        figure += rng.uniform(border, SIDE - border)
        cells = figure.round().astype(int).clip(3, SIDE - 4)
        if all((np.abs(cells - other).max(axis=1) >= apart).all() for other in placed):
            placed.append(cells)
    return np.stack(placed)


def tags_of(rng: np.random.Generator, people: int, gap: float) -> np.ndarray:
    """`(P, 17)` one tag a person, in random order, at least `gap` apart."""
    steps = gap * rng.uniform(1, 1.5, people).cumsum() - gap * people / 2
    return np.repeat(rng.permutation(steps)[:, None], 17, axis=1)


def peaks_of(heat, tags, kernel: int, min_peak: float, limit: int) -> Peaks:
    """All peaks above a threshold."""
    hot = hot_cells(heat, min_peak)
    return find_peaks(heat, tags, hot, kernel, limit)


def recovered(scene: Scene, found: grouping.People) -> np.ndarray:
    """`(P,)` bool: somebody has exactly this person's visible joints, each in its cell."""
    hit = np.abs(found.cells[None] - scene.cells[:, None]).max(axis=3) <= 1
    present = found.values[None] > 0
    right = (hit & present) == present
    complete = present == scene.seen[:, None]
    return (right & complete).all(axis=2).any(axis=1)


def by_the_book(peaks: Peaks, joints: int) -> tuple[set[tuple[int, ...]], bool]:
    """The published grouping as loops, people numbered.

    Returns the groups, each as its peaks by joint, and whether at some joint the procedure left
    both a peak and a person unmatched that were near enough, or had several equally cheap ways:
    then its result is not a function of the maps.
    """
    optimize = pytest.importorskip("scipy.optimize")
    people: list[dict[int, int]] = []
    ambiguous = False
    for joint in [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]:
        if joint >= joints:
            continue
        candidates = [i for i in range(len(peaks.joints)) if peaks.joints[i] == joint]
        if not people:
            people = [{joint: i} for i in candidates]
            continue
        if not candidates:
            continue
        targets = [
            np.mean([peaks.tags[i] for i in person.values()], axis=0) for person in people[:30]
        ]
        distance = np.array(
            [[np.linalg.norm(peaks.tags[i] - t) for t in targets] for i in candidates]
        )
        cost = np.round(distance) * 100 - peaks.values[candidates][:, None]
        if len(candidates) > len(targets):
            padding = np.full((len(candidates), len(candidates) - len(targets)), 1e10)
            cost = np.concatenate([cost, padding], axis=1)
        free_rows, free_columns = set(range(len(candidates))), set(range(len(targets)))
        for row, column in zip(*optimize.linear_sum_assignment(cost), strict=True):
            if column < len(targets) and distance[row, column] < 1:
                people[column][joint] = candidates[row]
                free_rows.discard(row)
                free_columns.discard(column)
        ambiguous |= any(distance[r, c] < 1 for r in free_rows for c in free_columns)
        ambiguous |= bool(((np.round(distance) == 0).sum(axis=1) > 1).any())
        ambiguous |= bool(((np.round(distance) == 0).sum(axis=0) > 1).any())
        people += [{joint: candidates[row]} for row in sorted(free_rows)]
    groups = {tuple(person.get(j, -1) for j in range(joints)) for person in people}
    return groups, ambiguous


@given(
    st.integers(1, 12), st.floats(0.75, 4), st.floats(0, 0.12), st.floats(0, 0.4), st.integers(0)
)
@settings(max_examples=200, deadline=None)
def test_groups_are_those_of_the_published_procedure(people, gap, noise, hidden, seed):
    rng = np.random.default_rng(seed)
    tags = tags_of(rng, people, gap)[:, :, None] + rng.uniform(-noise, noise, (people, 17, 2))
    seen = rng.uniform(size=(people, 17)) >= hidden
    order = rng.permutation(people)
    joints, owners = np.nonzero(seen[order].T)
    peaks = Peaks(
        joints=joints,
        cells=rng.integers(0, SIDE, (len(joints), 2)),
        values=np.sort(rng.uniform(0.1, 1, len(joints)))[::-1].astype(np.float32),
        tags=tags[order][owners, joints].astype(np.float32),
    )
    expected, ambiguous = by_the_book(peaks, 17)
    assume(not ambiguous)
    members = grouping.group_by_tag(peaks, 17, 1.0, Size(SIDE, SIDE))
    assert {tuple(person) for person in members.tolist()} == expected


@given(st.integers(1, 30), st.integers(0))
@settings(max_examples=25, deadline=None)
def test_maps_group_as_the_published_procedure_groups_them(people, seed):
    rng = np.random.default_rng(seed)
    seen = rng.uniform(size=(people, 17)) >= 0.2
    seen[:, 0] = True
    scene = draw(rng, place(rng, people), tags_of(rng, people, 2.0), seen)
    peaks = peaks_of(scene.heat, scene.tags, 5, 0.1, 30)
    expected, ambiguous = by_the_book(peaks, 17)
    assume(not ambiguous)
    members = grouping.group_by_tag(peaks, 17, 1.0, Size(SIDE, SIDE))
    assert {tuple(person) for person in members.tolist()} == expected


@pytest.mark.parametrize("hidden", [0.0, 0.25])
def test_nearly_everybody_of_a_crowd_is_recovered_whole(hidden):
    """Overlapping people, a quarter of the joints out of sight, noses among them."""
    right = total = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        people = int(rng.integers(1, 31))
        seen = rng.uniform(size=(people, 17)) >= hidden
        scene = draw(rng, place(rng, people), tags_of(rng, people, 2.0), seen)
        found = recovered(scene, grouping.find_people(scene.heat, scene.tags, SPEC))
        right, total = right + int(found.sum()), total + people
    assert right >= 0.99 * total, (right, total)


def test_people_whose_first_tags_are_equal_stay_two():
    """The reference names people by their first tag, and loses one of these."""
    right = total = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        people = int(rng.integers(2, 11)) // 2 * 2
        tags = tags_of(rng, people, 2.0)
        tags[1::2, 0] = tags[::2, 0] = (tags[1::2, 0] + tags[::2, 0]) / 2
        seen = np.ones((people, 17), bool)
        scene = draw(rng, place(rng, people), tags, seen, tag_noise=0)
        # The noses' tags fit both or neither: all other joints must stay together.
        found = grouping.find_people(scene.heat, scene.tags, SPEC)
        body = Scene(scene.heat, scene.tags, scene.cells[:, 1:], scene.seen[:, 1:])
        rest = grouping.People(found.cells[:, 1:], found.values[:, 1:], found.scores)
        right, total = right + int(recovered(body, rest).sum()), total + people
        assert (found.values[:, 0] > 0).sum() == people
    assert right >= 0.99 * total, (right, total)


@given(st.integers(0))
@settings(max_examples=30, deadline=None)
def test_two_people_with_one_tag_at_different_places_are_never_merged(seed):
    rng = np.random.default_rng(seed)
    left = (FIGURE * rng.uniform(0.6, 1.2) + [55, rng.uniform(60, 160)]).round().astype(int)
    right = (FIGURE * rng.uniform(0.6, 1.2) + [165, rng.uniform(60, 160)]).round().astype(int)
    cells = rng.permutation(np.stack([left, right]))
    scene = draw(rng, cells, np.full((2, 17), 0.7), np.ones((2, 17), bool), tag_noise=0)
    found = grouping.find_people(scene.heat, scene.tags, SPEC)
    assert len(found.cells) == 2
    assert recovered(scene, found).all()


def test_a_keypoint_out_of_reach_belongs_to_somebody_else():
    """One tag for two people; who is seen from the hips down has nothing near the other's face."""
    rng = np.random.default_rng(3)
    cells = (FIGURE + np.array([[[45, 60]], [[175, 170]]])).round().astype(int)
    seen = np.ones((2, 17), bool)
    seen[0, 11:] = seen[1, :11] = False
    scene = draw(rng, cells, np.full((2, 17), 0.7), seen, tag_noise=0)
    published = grouping.find_people(scene.heat, scene.tags, SPEC)
    assert len(published.cells) == 1
    spec = msgspec.structs.replace(SPEC, reach=0.15)
    found = grouping.find_people(scene.heat, scene.tags, spec)
    assert len(found.cells) == 2
    assert recovered(scene, found).all()


@given(st.integers(1, 12), st.integers(0))
@settings(max_examples=20, deadline=None)
def test_whoever_is_told_apart_by_tags_is_not_changed_by_a_reach(people, seed):
    rng = np.random.default_rng(seed)
    scene = draw(rng, place(rng, people), tags_of(rng, people, 2.0), np.ones((people, 17), bool))
    spec = msgspec.structs.replace(SPEC, reach=0.15)
    anywhere = grouping.find_people(scene.heat, scene.tags, SPEC)
    within = grouping.find_people(scene.heat, scene.tags, spec)
    np.testing.assert_array_equal(within.cells, anywhere.cells)
    np.testing.assert_array_equal(within.values, anywhere.values)


def test_somebody_who_appears_late_takes_no_joint_from_others():
    """The published costs would pay for the stranger by breaking up a person: 2 + 2 < 0 + 5."""
    tags = np.array([[0.0], [2.4], [2.4], [4.8]], np.float32)
    peaks = Peaks(
        joints=np.array([0, 0, 1, 1]),
        cells=np.array([[10, 10], [50, 10], [50, 14], [90, 14]]),
        values=np.array([0.9, 0.8, 0.9, 0.8], np.float32),
        tags=tags,
    )
    members = grouping.group_by_tag(peaks, 2, 1.0, Size(100, 20))
    assert members.tolist() == [[0, -1], [1, 2], [-1, 3]]


def test_more_people_than_the_cap_give_the_best_ones_whole():
    rng = np.random.default_rng(0)
    strength = np.linspace(0.4, 1, 45)
    scene = draw(
        rng,
        place(rng, 45, apart=7),
        tags_of(rng, 45, 2.0),
        np.ones((45, 17), bool),
        strength=strength,
    )
    found = grouping.find_people(scene.heat, scene.tags, SPEC)
    assert len(found.cells) == SPEC.max_people
    assert (np.diff(found.scores) <= 0).all()
    assert recovered(scene, found)[-SPEC.max_people :].mean() >= 0.99


def test_disjoint_tags_do_not_break_the_cap():
    """Thirty peaks of each of 17 joints that fit nobody are 510 people to the reference."""
    rng = np.random.default_rng(0)
    heat = rng.uniform(0, 1, (17, 64, 64)).astype(np.float32)
    tags = rng.permutation(17 * 64 * 64).reshape(1, 17, 64, 64).astype(np.float32) * 3
    found = grouping.find_people(heat, tags, SPEC)
    assert len(found.cells) == SPEC.max_people


def test_an_empty_scene_has_nobody():
    heat, tags = np.full((17, 20, 30), 0.09, np.float32), np.zeros((1, 17, 10, 15), np.float32)
    found = grouping.find_people(heat, tags, SPEC)
    assert found.cells.shape == (0, 17, 2)
    assert found.values.shape == (0, 17)
    assert found.scores.shape == (0,)


@given(st.integers(0), st.sampled_from([1, 2]), st.sampled_from([0.0, 1.0, np.nan, 30.0]))
@settings(max_examples=30, deadline=None)
def test_any_maps_give_finite_people(seed, embeddings, special):
    rng = np.random.default_rng(seed)
    heat = rng.normal(0, 1, (17, 24, 20)).astype(np.float32)
    tags = rng.normal(0, 1, (embeddings, 17, 12, 10)).astype(np.float32)
    for maps in (heat, tags):
        maps[rng.uniform(size=maps.shape) < 0.05] = special
    found = grouping.find_people(heat, tags, SPEC)
    assert len(found.cells) <= SPEC.max_people
    assert np.isfinite(found.cells).all()
    assert np.isfinite(found.values).all()
    assert ((found.cells >= -0.25) & (found.cells <= [19.25, 23.25])).all()


def test_a_lone_keypoint_is_somebody_whose_other_keypoints_are_where_it_is():
    heat = np.zeros((17, 20, 30), np.float32)
    heat[9, 12, 20] = 0.8
    found = grouping.find_people(heat, np.zeros((1, 17, 10, 15), np.float32), SPEC)
    assert found.values[0].tolist() == [0] * 9 + [np.float32(0.8)] + [0] * 7
    assert (found.cells == [20, 12]).all()
    assert found.scores[0] == pytest.approx(0.8 / 17)


@given(st.integers(1, 10), st.integers(0))
@settings(max_examples=20, deadline=None)
def test_what_is_out_of_sight_stays_absent_and_refining_changes_nobody_else(people, seed):
    rng = np.random.default_rng(seed)
    seen = rng.uniform(size=(people, 17)) >= 0.3
    scene = draw(rng, place(rng, people), tags_of(rng, people, 2.0), seen)
    plain = grouping.find_people(scene.heat, scene.tags, SPEC, refine=False)
    refined = grouping.find_people(scene.heat, scene.tags, SPEC, refine=True)
    np.testing.assert_array_equal(refined.scores, plain.scores)
    had = plain.values > 0
    np.testing.assert_array_equal(refined.values[had], plain.values[had])
    np.testing.assert_array_equal(refined.cells[had], plain.cells[had])
    assert recovered(scene, refined).sum() == recovered(scene, plain).sum()


def refined_by_the_book(scene, values, mean_tags, min_peak: float) -> dict:
    """The highest fitting cell for each missing keypoint, cell by cell; (person, joint) -> x, y."""
    found = {}
    for joint in range(values.shape[1]):
        settled = [mean_tags[p] for p in range(len(values)) if values[p, joint] > 0]
        for person in range(len(values)):
            if values[person, joint] > 0:
                continue
            best, place = min_peak, None
            for y, x in np.argwhere(scene.heat[joint] > min_peak):
                tag = scene.tags[:, joint, y // 2, x // 2]
                score = scene.heat[joint, y, x] - np.round(np.linalg.norm(tag - mean_tags[person]))
                taken = any(np.round(np.linalg.norm(tag - other)) == 0 for other in settled)
                if score > best and not taken:
                    best, place = score, (int(x), int(y))
            if place is not None:
                found[person, joint] = place
                settled.append(mean_tags[person])
    return found


@given(st.integers(1, 6), st.integers(0))
@settings(max_examples=15, deadline=None)
def test_refining_is_a_search_of_every_cell(people, seed):
    """People who have lost half their keypoints, though the maps show them."""
    rng = np.random.default_rng(seed)
    tags = tags_of(rng, people, 0.8)
    scene = draw(rng, place(rng, people), tags, np.ones((people, 17), bool))
    values = np.where(rng.uniform(size=(people, 17)) < 0.5, 0.5, 0).astype(np.float32)
    means = tags[:, :1].astype(np.float32)
    hot = hot_cells(scene.heat, 0.1)
    cells, refined = grouping.refine_absent(scene.heat, scene.tags, hot, scene.cells, values, means)
    expected = refined_by_the_book(scene, values, means, 0.1)
    gained = np.argwhere((values == 0) & (refined > 0)).tolist()
    assert {(p, j): tuple(cells[p, j].tolist()) for p, j in gained} == expected
    assert all(refined[p, j] == scene.heat[j, y, x] for (p, j), (x, y) in expected.items())
    np.testing.assert_array_equal(refined[values > 0], values[values > 0])


def test_refining_finds_a_keypoint_on_the_shoulder_of_another():
    """No peak of its own, but a tag of its own: what refinement is for."""
    rng = np.random.default_rng(0)
    cells = (FIGURE + np.array([[[60, 80]], [[150, 80]]])).astype(int)
    cells[:, 9] = [[100, 100], [105, 100]]
    seen = np.ones((2, 17), bool)
    scene = draw(rng, cells, np.array([[0.0] * 17, [4.0] * 17]), seen, heat_noise=0, tag_noise=0)
    x = np.arange(SIDE)
    ridge = np.where(x < 104, 0.9, 0.9 - 0.02 * (x - 103)).clip(0, 1)
    scene.heat[9] *= 0
    scene.heat[9, 99:102, 100:108] = (ridge - 0.01 * np.abs(x - 100))[100:108]
    before = grouping.find_people(scene.heat, scene.tags, SPEC, refine=False)
    after = grouping.find_people(scene.heat, scene.tags, SPEC, refine=True)
    assert sorted((before.values[:, 9] > 0).tolist()) == [False, True]
    assert (after.values[:, 9] > SPEC.min_peak).all()
    assert np.abs(np.sort(after.cells[:, 9, 0]) - [100, 104]).max() <= 2


@pytest.mark.parametrize("keypoints", [14, 16, 17, 21])
def test_every_keypoint_is_grouped_once_whatever_their_number(keypoints):
    order = grouping.joint_order(keypoints)
    assert sorted(order) == list(range(keypoints))
    assert order[:5] == (0, 1, 2, 3, 4)


def test_the_maps_are_left_as_they_were():
    rng = np.random.default_rng(1)
    scene = draw(rng, place(rng, 4), tags_of(rng, 4, 2.0), np.ones((4, 17), bool))
    before = scene.heat.copy(), scene.tags.copy()
    grouping.find_people(scene.heat, scene.tags, SPEC)
    np.testing.assert_array_equal(scene.heat, before[0])
    np.testing.assert_array_equal(scene.tags, before[1])
