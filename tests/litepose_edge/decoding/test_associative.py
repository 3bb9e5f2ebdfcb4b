"""Peaks and tags to people: drawn scenes, and the published procedure written as plain loops."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from litepose_edge.decoding import associative
from litepose_edge.decoding.peaks import Peaks, find_peaks, hot_cells
from litepose_edge.geometry import Size
from scenes import FIGURE, SIDE, SPEC, Scene, draw, place, recovered, tags_of


def peaks_of(heat, tags, kernel: int, min_peak: float, limit: int) -> Peaks:
    """All peaks above a threshold."""
    hot = hot_cells(heat, min_peak)
    return find_peaks(heat, tags, hot, kernel, limit)


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
    members = associative.group_by_tag(peaks, 17, 1.0, Size(SIDE, SIDE))
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
    members = associative.group_by_tag(peaks, 17, 1.0, Size(SIDE, SIDE))
    assert {tuple(person) for person in members.tolist()} == expected


@pytest.mark.parametrize("hidden", [0.0, 0.25])
def test_nearly_all_people_of_a_crowd_are_recovered_whole(hidden):
    """Overlapping people, a quarter of the joints out of sight, noses among them."""
    right = total = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        people = int(rng.integers(1, 31))
        seen = rng.uniform(size=(people, 17)) >= hidden
        scene = draw(rng, place(rng, people), tags_of(rng, people, 2.0), seen)
        found = recovered(scene, associative.find_people(scene.heat, scene.tags, SPEC))
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
        found = associative.find_people(scene.heat, scene.tags, SPEC)
        body = Scene(scene.heat, scene.tags, scene.cells[:, 1:], scene.seen[:, 1:])
        rest = associative.People(found.cells[:, 1:], found.values[:, 1:], found.scores)
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
    found = associative.find_people(scene.heat, scene.tags, SPEC)
    assert len(found.cells) == 2
    assert recovered(scene, found).all()


def test_a_keypoint_beyond_the_join_distance_belongs_to_another_person():
    """One tag for two people; who is seen from the hips down has nothing near the other's face."""
    rng = np.random.default_rng(3)
    cells = (FIGURE + np.array([[[45, 60]], [[175, 170]]])).round().astype(int)
    seen = np.ones((2, 17), bool)
    seen[0, 11:] = seen[1, :11] = False
    scene = draw(rng, cells, np.full((2, 17), 0.7), seen, tag_noise=0)
    published = associative.find_people(scene.heat, scene.tags, SPEC)
    assert len(published.cells) == 1
    spec = msgspec.structs.replace(SPEC, max_join_distance=0.3)
    found = associative.find_people(scene.heat, scene.tags, spec)
    assert len(found.cells) == 2
    assert recovered(scene, found).all()


@given(st.integers(1, 12), st.integers(0))
@settings(max_examples=20, deadline=None)
def test_people_told_apart_by_tags_are_not_changed_by_a_join_distance(people, seed):
    rng = np.random.default_rng(seed)
    scene = draw(rng, place(rng, people), tags_of(rng, people, 2.0), np.ones((people, 17), bool))
    spec = msgspec.structs.replace(SPEC, max_join_distance=0.3)
    anywhere = associative.find_people(scene.heat, scene.tags, SPEC)
    within = associative.find_people(scene.heat, scene.tags, spec)
    np.testing.assert_array_equal(within.cells, anywhere.cells)
    np.testing.assert_array_equal(within.values, anywhere.values)


def test_a_person_who_appears_late_takes_no_keypoint_from_others():
    """The published costs would pay for the stranger by breaking up a person: 2 + 2 < 0 + 5."""
    tags = np.array([[0.0], [2.4], [2.4], [4.8]], np.float32)
    peaks = Peaks(
        joints=np.array([0, 0, 1, 1]),
        cells=np.array([[10, 10], [50, 10], [50, 14], [90, 14]]),
        values=np.array([0.9, 0.8, 0.9, 0.8], np.float32),
        tags=tags,
    )
    members = associative.group_by_tag(peaks, 2, 1.0, Size(100, 20))
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
    found = associative.find_people(scene.heat, scene.tags, SPEC)
    assert len(found.cells) == SPEC.max_people
    assert (np.diff(found.scores) <= 0).all()
    assert recovered(scene, found)[-SPEC.max_people :].mean() >= 0.99


def test_disjoint_tags_do_not_break_the_cap():
    """Thirty peaks of each of 17 joints that fit nobody are 510 people to the reference."""
    rng = np.random.default_rng(0)
    heat = rng.uniform(0, 1, (17, 64, 64)).astype(np.float32)
    tags = rng.permutation(17 * 64 * 64).reshape(1, 17, 64, 64).astype(np.float32) * 3
    found = associative.find_people(heat, tags, SPEC)
    assert len(found.cells) == SPEC.max_people


def test_an_empty_scene_has_no_people():
    heat, tags = np.full((17, 20, 30), 0.09, np.float32), np.zeros((1, 17, 10, 15), np.float32)
    found = associative.find_people(heat, tags, SPEC)
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
    found = associative.find_people(heat, tags, SPEC)
    assert len(found.cells) <= SPEC.max_people
    assert np.isfinite(found.cells).all()
    assert np.isfinite(found.values).all()
    assert ((found.cells >= -0.25) & (found.cells <= [19.25, 23.25])).all()


def test_a_lone_keypoint_is_a_person_whose_other_keypoints_are_where_it_is():
    heat = np.zeros((17, 20, 30), np.float32)
    heat[9, 12, 20] = 0.8
    found = associative.find_people(heat, np.zeros((1, 17, 10, 15), np.float32), SPEC)
    assert found.values[0].tolist() == [0] * 9 + [np.float32(0.8)] + [0] * 7
    assert (found.cells == [20, 12]).all()
    assert found.scores[0] == pytest.approx(0.8 / 17)


@pytest.mark.parametrize("keypoints", [14, 16, 17, 21])
def test_every_keypoint_is_grouped_once_whatever_their_number(keypoints):
    order = associative.joint_order(keypoints)
    assert sorted(order) == list(range(keypoints))
    assert order[:5] == (0, 1, 2, 3, 4)


def test_the_maps_are_left_as_they_were():
    rng = np.random.default_rng(1)
    scene = draw(rng, place(rng, 4), tags_of(rng, 4, 2.0), np.ones((4, 17), bool))
    before = scene.heat.copy(), scene.tags.copy()
    associative.find_people(scene.heat, scene.tags, SPEC)
    np.testing.assert_array_equal(scene.heat, before[0])
    np.testing.assert_array_equal(scene.tags, before[1])
