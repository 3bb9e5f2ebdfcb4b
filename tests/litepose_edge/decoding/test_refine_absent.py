"""Looking again for the keypoints that people are missing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.decoding import associative
from litepose_edge.decoding.peaks import hot_cells
from scenes import FIGURE, SIDE, SPEC, draw, place, recovered, tags_of


@given(st.integers(1, 10), st.integers(0))
@settings(max_examples=20, deadline=None)
def test_hidden_keypoints_stay_absent_and_refining_changes_no_others(people, seed):
    rng = np.random.default_rng(seed)
    seen = rng.uniform(size=(people, 17)) >= 0.3
    scene = draw(rng, place(rng, people), tags_of(rng, people, 2.0), seen)
    plain = associative.find_people(scene.heat, scene.tags, SPEC, refine=False)
    refined = associative.find_people(scene.heat, scene.tags, SPEC, refine=True)
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
    cells, refined = associative.refine_absent(
        scene.heat, scene.tags, hot, scene.cells, values, means
    )
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
    before = associative.find_people(scene.heat, scene.tags, SPEC, refine=False)
    after = associative.find_people(scene.heat, scene.tags, SPEC, refine=True)
    assert sorted((before.values[:, 9] > 0).tolist()) == [False, True]
    assert (after.values[:, 9] > SPEC.min_peak).all()
    assert np.abs(np.sort(after.cells[:, 9, 0]) - [100, 104]).max() <= 2
