"""Heatmaps and tags of a whole image to people, by associative embedding.

Newell et al., arXiv 1611.05424, as LitePose (arXiv 2205.01271) decodes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.decoding.assignment import assign
from litepose_edge.decoding.peaks import (
    Indices,
    Peaks,
    find_peaks,
    hot_cells,
    quarter_offsets,
    tag_cells,
)
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import BottomUpSpec

# Head and trunk first: they are seen best, so that a person's mean tag is good from the start.
_PUBLISHED_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
# So many more candidates than people: with more people than the cap, the best ones come out
# whole instead of all people in pieces.
_CANDIDATES_A_PERSON = 2
# The published cost of a pair: its rounded tag distance counts this often, its value once.
_TAG_WEIGHT = 100.0
# Between people of like tags the nearer one, distances being parts of the map's diagonal. Less
# than one step of the tag distance, so that it decides nothing that the tags decide.
_PLACE_WEIGHT = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """The people that one set of maps shows, the best first.

    Attributes:
        cells: `(P, K, 2)` float32 `(x, y)` in heatmap cells; finite also where `values` is 0.
        values: `(P, K)` float32 heat; 0 where a keypoint was not found.
        scores: `(P,)` float32, the mean heat over all K keypoints before refinement.
    """

    cells: Float32
    values: Float32
    scores: Float32


def find_people(
    heat: Float32, tags: Float32, spec: BottomUpSpec, *, adjust: bool = True, refine: bool = True
) -> People:
    """Group the peaks of all keypoints into people.

    Args:
        heat: `(K, H, W)` float32.
        tags: `(L, K, h, w)` float32, L embeddings a keypoint.
        spec: Thresholds, reach, and the cap on people.
        adjust: Lean a quarter cell towards the higher neighbour.
        refine: Search missing keypoints once more where the tag fits the person.
    """
    limit = _CANDIDATES_A_PERSON * spec.max_people
    hot = hot_cells(heat, spec.min_peak)
    peaks = find_peaks(heat, tags, hot, spec.nms_kernel, limit)
    size = Size.of(heat[0])
    members = group_by_tag(peaks, len(heat), spec.max_tag_distance, size, spec.max_join_distance)
    present = members >= 0
    values = np.where(present, _padded(peaks.values)[members], 0).astype(np.float32)
    scores = values.mean(axis=1) if len(values) else np.zeros(0, np.float32)
    best = np.argsort(-scores, kind="stable")[: spec.max_people]
    members, values, scores = members[best], values[best], scores[best]
    cells = _padded(peaks.cells)[members]
    if refine and len(best):
        mean_tags = _mean_tags(peaks, members)
        cells, values = refine_absent(heat, tags, hot, cells, values, mean_tags)
    return _placed(heat, cells, values, scores, adjust=adjust)


def group_by_tag(
    peaks: Peaks,
    keypoints: int,
    max_tag_distance: float,
    heat_size: Size,
    max_join_distance: float | None = None,
) -> Indices:
    """Which person each peak belongs to.

    Keypoint after keypoint, peaks go to the people whose mean tag is near, at the least total
    cost; a peak without a person starts a new one. As published, with two differences: people are
    numbered, where the reference names them by their first tag and loses one of two with the
    same; and only pairs near enough compete, where the reference pairs every peak with a person
    and gives up good pairs for the sake of hopeless ones.

    Args:
        peaks: Candidates.
        keypoints: K.
        max_tag_distance: A peak joins a person whose mean tag is nearer than this.
        heat_size: Size of the map the peaks' cells are of.
        max_join_distance: Part of that map's short side; a person farther from a peak than this
            and than their own extent so far does not compete for it. None: all people do, as
            published.

    Returns:
        `(P, K)` index of each person's peaks; -1 where there is none.
    """
    count = len(peaks.joints)
    members = np.full((count, keypoints), -1, np.intp)
    sums = np.zeros((count, peaks.tags.shape[1]), np.float32)
    sizes = np.zeros((count, 1), np.float32)
    starts = np.searchsorted(peaks.joints, np.arange(keypoints + 1)).tolist()
    low, high = np.full((2, count, 2), [[[np.inf]], [[-np.inf]]], np.float32)
    least = (max_join_distance or 0) * min(heat_size.width, heat_size.height)
    people = 0
    for joint in joint_order(keypoints):
        candidates = np.arange(starts[joint], starts[joint + 1])
        if not len(candidates):
            continue
        means = sums[:people] / sizes[:people]
        distances = _tag_distances(peaks.tags[candidates], means)
        near = distances < max_tag_distance
        if max_join_distance is not None and people:
            limits = np.maximum(least, (high[:people] - low[:people]).max(axis=1))
            near = _within_reach(peaks, candidates, members[:people], near, limits)
        owners = _owners(
            peaks, candidates, members[:people], distances, near, max_tag_distance, heat_size
        )
        new = owners < 0
        newcomers = int(new.sum())
        owners[new] = np.arange(people, people + newcomers)
        people += newcomers
        members[owners, joint] = candidates
        sums[owners] += peaks.tags[candidates]
        sizes[owners] += 1
        if max_join_distance is not None:
            low[owners] = np.minimum(low[owners], peaks.cells[candidates])
            high[owners] = np.maximum(high[owners], peaks.cells[candidates])
    return members[:people]


@lru_cache(maxsize=8)
def joint_order(keypoints: int) -> tuple[int, ...]:
    """The published order in which keypoints are grouped, for any number of them."""
    known = tuple(joint for joint in _PUBLISHED_ORDER if joint < keypoints)
    return known + tuple(range(len(_PUBLISHED_ORDER), keypoints))


def _owners(
    peaks: Peaks,
    candidates: Indices,
    members: Indices,
    distances: Float32,
    near: NDArray[np.bool_],
    max_tag_distance: float,
    heat_size: Size,
) -> Indices:
    """`(N,)` which person each candidate for one keypoint belongs to; -1 for none yet."""
    owners = np.full(len(candidates), -1, np.intp)
    rows, columns = near.nonzero()
    if len(set(rows.tolist())) == len(set(columns.tolist())) == len(rows):
        owners[rows] = columns
        return owners
    rows, columns = np.unique(rows), np.unique(columns)
    part = np.ix_(rows, columns)
    apart = _places_apart(peaks, candidates[rows], members[columns])
    apart /= np.float32(np.hypot(heat_size.width, heat_size.height))
    cost = _TAG_WEIGHT * np.rint(distances[part]) + _PLACE_WEIGHT * apart
    cost -= peaks.values[candidates[rows], None]
    # Half a step above the worst pair: a good match is not given up for two poor ones.
    unpaired = _TAG_WEIGHT * (np.rint(max_tag_distance) + 0.5)
    paired = assign(np.where(near[part], cost, unpaired))
    accepted = near[part][paired]
    owners[rows[paired[0][accepted]]] = columns[paired[1][accepted]]
    return owners


def _within_reach(
    peaks: Peaks,
    candidates: Indices,
    members: Indices,
    near: NDArray[np.bool_],
    limits: Float32,
) -> NDArray[np.bool_]:
    """Those `(N, P)` pairs no farther apart than the person's limit, in cells.

    Only pairs of like tags are compared: where tags tell people apart they are few.
    """
    rows, columns = near.nonzero()
    theirs = members[columns]
    steps = peaks.cells[theirs] - peaks.cells[candidates[rows], None]
    squares = np.einsum("mkc,mkc->mk", steps, steps)
    squares[theirs < 0] = np.iinfo(squares.dtype).max
    within = np.zeros_like(near)
    within[rows, columns] = squares.min(axis=1) <= np.square(limits)[columns]
    return within


def _tag_distances(tags: Float32, means: Float32) -> Float32:
    """`(N, P)` Euclidean distances."""
    difference = tags[:, None] - means[None]
    distances: Float32 = (
        np.abs(difference[..., 0])
        if difference.shape[2] == 1
        else np.sqrt(np.square(difference).sum(axis=2))
    )
    return distances


def _rounds_to_0(means: Float32, tags: Float32) -> NDArray[np.bool_]:
    """`(P, N)` bool: the distance rounds to 0, as the published rounding to even does."""
    fits: NDArray[np.bool_] = _tag_distances(means, tags) <= 0.5
    return fits


def _places_apart(peaks: Peaks, candidates: Indices, members: Indices) -> Float32:
    """`(N, P)` cells between each candidate and each person's nearest keypoint so far."""
    theirs = _padded(peaks.cells)[members]
    steps = (peaks.cells[candidates][:, None, None] - theirs[None]).astype(np.float32)
    lengths = np.where(members >= 0, np.hypot(steps[..., 0], steps[..., 1]), np.float32(np.inf))
    nearest: Float32 = lengths.min(axis=2)
    return nearest


def refine_absent(
    heat: Float32,
    tags: Float32,
    hot: Indices,
    cells: Indices,
    values: Float32,
    mean_tags: Float32,
) -> tuple[Indices, Float32]:
    """Search each missing keypoint where the heat is high and the tag is the person's.

    As published, the highest `heat - round(tag distance)`; unlike there, only above the
    threshold, and only where no person who has that keypoint has as near a tag: a keypoint that
    is not visible stays absent.

    Args:
        heat: `(K, H, W)` float32.
        tags: `(L, K, h, w)` float32.
        hot: Cells above the threshold, as `hot_cells` gives them.
        cells: `(P, K, 2)` where `values` is not 0.
        values: `(P, K)` float32, 0 for what is missing.
        mean_tags: `(P, L)` float32.

    Returns:
        `cells` and `values` with what was found; the arguments stay as they are.
    """
    cells, values = cells.copy(), values.copy()
    _, height, width = heat.shape
    tag_cell = tag_cells(Size(width, height), Size(tags.shape[3], tags.shape[2]))
    starts = np.searchsorted(hot, np.arange(len(heat) + 1) * (height * width))
    for joint in np.flatnonzero((values == 0).any(axis=0)):
        flat = heat[joint].reshape(-1)
        here = hot[starts[joint] : starts[joint + 1]] - joint * len(flat)
        there = tags[:, joint].reshape(len(tags), -1)[:, tag_cell[here]].T
        missing = np.flatnonzero(values[:, joint] == 0)
        fits = _rounds_to_0(mean_tags[missing], there)
        somebodys = fits.any(axis=0)
        owners = mean_tags[values[:, joint] > 0]
        free = ~_rounds_to_0(owners, there[somebodys]).any(axis=0)
        fits, candidates = fits[:, somebodys], here[somebodys]
        for person, fit in zip(missing, fits, strict=True):
            own = candidates[fit & free]
            if len(own):
                best = own[flat[own].argmax()]
                cells[person, joint] = best % width, best // width
                values[person, joint] = flat[best]
                # Another person who misses it here has the same tag: it is one keypoint.
                free &= ~fit
    return cells, values


def _placed(
    heat: Float32, cells: Indices, values: Float32, scores: Float32, *, adjust: bool
) -> People:
    """People with missing keypoints in the middle of the others."""
    present = (values > 0)[..., None]
    places = cells.astype(np.float32)
    if adjust:
        places += quarter_offsets(heat, np.where(present, cells, 0))
    found = np.maximum(present.sum(axis=1, keepdims=True), 1)
    middles = np.where(present, places, 0).sum(axis=1, keepdims=True) / found
    return People(np.where(present, places, middles).astype(np.float32), values, scores)


def _mean_tags(peaks: Peaks, members: Indices) -> Float32:
    """`(P, L)` mean tag of each person's peaks."""
    present = members >= 0
    total = np.where(present[..., None], _padded(peaks.tags)[members], 0).sum(axis=1)
    means: Float32 = (total / present.sum(axis=1, keepdims=True)).astype(np.float32)
    return means


def _padded(values: NDArray[Any]) -> NDArray[Any]:
    """One more row of zeros, which index -1 finds."""
    return np.concatenate([values, np.zeros((1, *values.shape[1:]), values.dtype)])
