"""Heatmaps and tags of everybody in an image to people, by associative embedding.

Newell et al., arXiv 1611.05424, as LitePose (arXiv 2205.01271) decodes it. Cells lie on the
heatmaps; tag maps may be coarser and are read between their cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.assignment import assign
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import BottomUpSpec

Indices = NDArray[np.intp]

# Head and trunk first: they are seen best, so that a person's mean tag is good from the start.
_PUBLISHED_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
# So many more candidates than people: with more people than the cap, the best ones come out
# whole instead of everybody in pieces.
_CANDIDATES_A_PERSON = 2
# The published cost of a pair: its rounded tag distance counts this often, its value once.
_TAG_WEIGHT = 100.0
# Between people of like tags the nearer one, distances being parts of the map's diagonal. Less
# than one step of the tag distance, so that it decides nothing that the tags decide.
_PLACE_WEIGHT = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Candidates for keypoints, joint after joint, in each joint the highest first.

    Attributes:
        joints: `(N,)` which keypoint, ascending.
        cells: `(N, 2)` `(x, y)` in heatmap cells.
        values: `(N,)` float32 heat.
        tags: `(N, L)` float32 embedding.
    """

    joints: Indices
    cells: Indices
    values: Float32
    tags: Float32


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Whom one set of maps shows, the best first.

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
        spec: Thresholds and the cap on people.
        adjust: Lean a quarter cell towards the higher neighbour.
        refine: Look again for missing keypoints where the tag fits the person.
    """
    limit = _CANDIDATES_A_PERSON * spec.max_people
    peaks = find_peaks(heat, tags, spec.nms_kernel, spec.min_peak, limit)
    members = group_by_tag(peaks, len(heat), spec.max_tag_distance, Size.of(heat[0]))
    present = members >= 0
    values = np.where(present, _padded(peaks.values)[members], 0).astype(np.float32)
    scores = values.mean(axis=1) if len(values) else np.zeros(0, np.float32)
    best = np.argsort(-scores, kind="stable")[: spec.max_people]
    members, values, scores = members[best], values[best], scores[best]
    cells = _padded(peaks.cells)[members]
    if refine and len(best):
        mean_tags = _mean_tags(peaks, members)
        cells, values = refine_absent(heat, tags, cells, values, mean_tags, spec.min_peak)
    return _placed(heat, cells, values, scores, adjust=adjust)


def average_heatmaps(coarse: Float32, fine: Float32) -> Float32:
    """Mean of two `(K, ...)` sets of heatmaps at the size of the finer one."""
    averaged = resize_maps(coarse, Size.of(fine[0]))
    averaged += fine
    averaged *= 0.5
    return averaged


def resize_maps(maps: Float32, size: Size) -> Float32:
    """`(K, h, w)` maps to another size, bilinear between cell centres."""
    resized = np.empty((len(maps), size.height, size.width), np.float32)
    for source, target in zip(maps, resized, strict=True):
        cv2.resize(source, (size.width, size.height), dst=target, interpolation=cv2.INTER_LINEAR)
    return resized


def find_peaks(heat: Float32, tags: Float32, nms_kernel: int, min_peak: float, limit: int) -> Peaks:
    """Cells that are the highest within a window around them.

    Of equally high cells in one window the first is taken.

    Args:
        heat: `(K, H, W)` float32.
        tags: `(L, K, h, w)` float32.
        nms_kernel: Odd width of the window in cells.
        min_peak: Heat that a peak must exceed.
        limit: Most peaks a keypoint, the highest ones.
    """
    found = [_local_maxima(values, nms_kernel, min_peak) for values in heat]
    counts = [len(flat) for flat in found]
    joints = np.repeat(np.arange(len(heat)), counts)
    y, x = np.divmod(np.concatenate(found), heat.shape[2])
    values = heat[joints, y, x]
    order = np.lexsort((-values, joints))
    # Ranks within each joint: places in the sorted list less the place of its joint's first.
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    order = order[rank < limit]
    joints, x, y, values = joints[order], x[order], y[order], values[order]
    embedded = sample_tags(tags, joints, x, y, Size.of(heat[0]))
    sound = np.isfinite(values) & np.isfinite(embedded).all(axis=1)
    sound &= _is_first_of_equals(joints, x, y, values, nms_kernel // 2)
    cells = np.stack([x, y], axis=1)
    return Peaks(joints[sound], cells[sound], values[sound], embedded[sound])


def _local_maxima(values: Float32, nms_kernel: int, min_peak: float) -> Indices:
    """Flat indices of the cells of one map that nothing in their window exceeds, ascending."""
    flat = values.reshape(-1)
    hot = np.flatnonzero(flat > min_peak)
    if not len(hot):
        return hot
    # Only the rows from the first hot cell to the last, with the window's reach.
    height, width = values.shape
    first = max(int(hot[0]) // width - nms_kernel // 2, 0)
    last = min(int(hot[-1]) // width + nms_kernel // 2, height - 1)
    highest = cv2.dilate(values[first : last + 1], np.ones((nms_kernel, nms_kernel), np.uint8))
    maxima: Indices = hot[flat[hot] >= highest.reshape(-1)[hot - first * width]]
    return maxima


def sample_tags(tags: Float32, joints: Indices, x: Indices, y: Indices, heat_size: Size) -> Float32:
    """`(N, L)` tags at heatmap cells, bilinear where the tag maps are coarser."""
    height, width = tags.shape[2:]
    if (width, height) == (heat_size.width, heat_size.height):
        return tags[:, joints, y, x].T
    across = ((x + 0.5) * (width / heat_size.width) - 0.5).clip(0, width - 1)
    down = ((y + 0.5) * (height / heat_size.height) - 0.5).clip(0, height - 1)
    left, top = across.astype(np.intp), down.astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    to_right, to_bottom = (across - left).astype(np.float32), (down - top).astype(np.float32)
    above = tags[:, joints, top, left] * (1 - to_right) + tags[:, joints, top, right] * to_right
    below = (
        tags[:, joints, bottom, left] * (1 - to_right) + tags[:, joints, bottom, right] * to_right
    )
    sampled: Float32 = (above * (1 - to_bottom) + below * to_bottom).T
    return sampled


def group_by_tag(peaks: Peaks, keypoints: int, max_tag_distance: float, heat_size: Size) -> Indices:
    """Who each peak belongs to.

    Joint after joint, peaks go to the people whose mean tag is near, at the least cost in all;
    whoever finds nobody is a new person. As published, with two differences: people are
    numbered, where the reference names them by their first tag and loses one of two with the
    same; and only pairs near enough compete, where the reference pairs every peak with
    somebody and gives up good pairs for the sake of hopeless ones.

    Args:
        peaks: Candidates.
        keypoints: K.
        max_tag_distance: A peak joins a person whose mean tag is nearer than this.
        heat_size: Size of the map the peaks' cells are of.

    Returns:
        `(P, K)` index of each person's peaks; -1 where there is none.
    """
    count = len(peaks.joints)
    members = np.full((count, keypoints), -1, np.intp)
    sums = np.zeros((count, peaks.tags.shape[1]), np.float32)
    sizes = np.zeros((count, 1), np.float32)
    starts = np.searchsorted(peaks.joints, np.arange(keypoints + 1)).tolist()
    people = 0
    for joint in joint_order(keypoints):
        candidates = np.arange(starts[joint], starts[joint + 1])
        if not len(candidates):
            continue
        means = sums[:people] / sizes[:people]
        owners = _owners(peaks, candidates, members[:people], means, max_tag_distance, heat_size)
        new = owners < 0
        newcomers = int(new.sum())
        owners[new] = np.arange(people, people + newcomers)
        people += newcomers
        members[owners, joint] = candidates
        sums[owners] += peaks.tags[candidates]
        sizes[owners] += 1
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
    means: Float32,
    max_tag_distance: float,
    heat_size: Size,
) -> Indices:
    """`(N,)` which person each candidate for one keypoint belongs to; -1 for nobody yet."""
    owners = np.full(len(candidates), -1, np.intp)
    distances = _tag_distances(peaks.tags[candidates], means)
    near = distances < max_tag_distance
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
    nobody = _TAG_WEIGHT * (np.rint(max_tag_distance) + 0.5)
    paired = assign(np.where(near[part], cost, nobody))
    accepted = near[part][paired]
    owners[rows[paired[0][accepted]]] = columns[paired[1][accepted]]
    return owners


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
    cells: Indices,
    values: Float32,
    mean_tags: Float32,
    min_peak: float,
) -> tuple[Indices, Float32]:
    """Look for each missing keypoint where the heat is high and the tag is the person's.

    As published, the highest `heat - round(tag distance)`; unlike there, only above `min_peak`
    and only where nobody who has that keypoint has as near a tag: what is not there stays away.

    Args:
        heat: `(K, H, W)` float32.
        tags: `(L, K, h, w)` float32.
        cells: `(P, K, 2)` where `values` is not 0.
        values: `(P, K)` float32, 0 for what is missing.
        mean_tags: `(P, L)` float32.
        min_peak: Heat that a keypoint must exceed.

    Returns:
        `cells` and `values` with what was found; the arguments stay as they are.
    """
    cells, values = cells.copy(), values.copy()
    height, width = heat.shape[1:]
    for joint in np.flatnonzero((values == 0).any(axis=0)):
        hot = np.flatnonzero(heat[joint] > min_peak)
        y = hot // width
        x = hot - y * width
        # Whole tag cells: halfway between two people's tags may lie a third one's.
        there = tags[:, joint, y * tags.shape[2] // height, x * tags.shape[3] // width].T
        missing = np.flatnonzero(values[:, joint] == 0)
        fits = _rounds_to_0(mean_tags[missing], there)
        somebodys = fits.any(axis=0)
        owners = mean_tags[values[:, joint] > 0]
        free = ~_rounds_to_0(owners, there[somebodys]).any(axis=0)
        fits, candidates = fits[:, somebodys], hot[somebodys]
        for person, fit in zip(missing, fits, strict=True):
            own = candidates[fit & free]
            if len(own):
                best = own[heat[joint].reshape(-1)[own].argmax()]
                cells[person, joint] = best % width, best // width
                values[person, joint] = heat[joint].reshape(-1)[best]
                # Whoever else is missing here has the same tag: it is one keypoint.
                free &= ~fit
    return cells, values


def quarter_offsets(heat: Float32, cells: Indices) -> Float32:
    """`(P, K, 2)` quarter cells towards the higher neighbour; 0 between equals and on borders.

    Args:
        heat: `(K, H, W)` float32.
        cells: `(P, K, 2)`.
    """
    height, width = heat.shape[1:]
    flat = heat.reshape(-1)
    x, y = cells[..., 0], cells[..., 1]
    here = (np.arange(len(heat)) * height + y) * width + x
    across = ((x > 0) & (x < width - 1)).astype(np.intp)
    along = ((y > 0) & (y < height - 1)) * width
    ahead, behind = flat.take(here + across), flat.take(here - across)
    below, above = flat.take(here + along), flat.take(here - along)
    # Compared, not subtracted: a neighbour that is not a number moves nothing.
    right = (ahead > behind).astype(np.float32) - (ahead < behind)
    down = (below > above).astype(np.float32) - (below < above)
    offsets: Float32 = np.float32(0.25) * np.stack([right, down], axis=-1)
    return offsets


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


def _is_first_of_equals(
    joints: Indices, x: Indices, y: Indices, values: Float32, reach: int
) -> NDArray[np.bool_]:
    """`(N,)` bool: no earlier peak of the same joint and value is within reach."""
    first = np.ones(len(values), np.bool_)
    like_previous = (values[1:] == values[:-1]) & (joints[1:] == joints[:-1])
    for i in np.flatnonzero(like_previous) + 1:
        start = i - 1
        while start > 0 and like_previous[start - 1]:
            start -= 1
        earlier = slice(start, i)
        close = (np.abs(x[earlier] - x[i]) <= reach) & (np.abs(y[earlier] - y[i]) <= reach)
        first[i] = not (close & first[earlier]).any()
    return first
