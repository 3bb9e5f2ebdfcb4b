"""Grouping, suppression, tracking: ours and the plain loop, side by side in one group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.budget.grouping import SIDE, SPEC, check_same, draw, numpy_peaks, plain_people
from benchmarks.micro import plain
from litepose_edge import COCO_17, oks
from litepose_edge.boxes import nms
from litepose_edge.decoding import associative, peaks
from litepose_edge.geometry import Size
from litepose_edge.tracking import tracks

MAX_IOU = 0.5
LEAST = 0.3
SIGMAS = np.array(COCO_17.oks_sigmas)
Array = NDArray[Any]


@pytest.fixture(params=[1, 5, 20], ids=["1 person", "5 people", "20 people"])
def people(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


@pytest.mark.benchmark
def test_grouping_ours(benchmark: BenchmarkFixture, people: int) -> None:
    benchmark.group = f"grouping, {people} people"
    heat, tags = draw(np.random.default_rng(0), people)
    check_same(heat, tags, numpy_peaks)
    assert len(benchmark(associative.find_people, heat, tags, SPEC, refine=False).values) == people


@pytest.mark.benchmark
def test_grouping_plain(benchmark: BenchmarkFixture, people: int) -> None:
    benchmark.group = f"grouping, {people} people"
    heat, tags = draw(np.random.default_rng(0), people)
    resized = peaks.resize_maps(tags[0], Size(SIDE, SIDE))
    assert len(benchmark(plain_people, heat, resized, numpy_peaks, refine=False)) == people


@pytest.fixture
def boxes() -> tuple[Array, Array]:
    """A detector's 200 boxes around 20 people, and their scores."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 400, (20, 2)).repeat(10, axis=0) + rng.normal(0, 6, (200, 2))
    sizes = np.array([60, 130]) * rng.uniform(0.9, 1.1, (200, 2))
    return np.concatenate([corners, corners + sizes], 1).astype(np.float32), rng.random(
        200, np.float32
    )


@pytest.mark.benchmark(group="NMS, 200 boxes")
def test_nms_ours(benchmark: BenchmarkFixture, boxes: tuple[Array, Array]) -> None:
    found = benchmark(nms, boxes[0], boxes[1], MAX_IOU)
    assert found.tolist() == plain.nms(boxes[0], boxes[1], MAX_IOU)


@pytest.mark.benchmark(group="NMS, 200 boxes")
def test_nms_plain(benchmark: BenchmarkFixture, boxes: tuple[Array, Array]) -> None:
    assert 10 <= len(benchmark(plain.nms, boxes[0], boxes[1], MAX_IOU)) <= 100


@dataclass(frozen=True, slots=True)
class Observed:
    """Keypoints of tracks, and of the same people in the next frame."""

    before: Array
    after: Array
    scores: Array
    areas: Array


@pytest.fixture
def observed() -> Observed:
    """Keypoints of 20 tracks, of the same people a moment later in another order, and so on."""
    rng = np.random.default_rng(0)
    before = rng.uniform(0, 120, (20, 17, 2)) + rng.uniform(0, 900, (20, 1, 2))
    after = (before + rng.normal(0, 3, before.shape))[rng.permutation(20)]
    scores = rng.uniform(0.4, 1, (20, 17))
    areas = rng.uniform(9000, 15000, 20)
    return Observed(*(a.astype(np.float32) for a in (before, after, scores, areas)))


def associate(seen: Observed) -> list[tuple[int, int]]:
    areas, weights = seen.areas[None], seen.scores[None]
    table = oks.pairwise_oks(seen.before, seen.after, areas, weights, SIGMAS)
    return tracks.match(table, LEAST)


def associate_plainly(seen: Observed) -> list[tuple[int, int]]:
    table = plain.similarity(seen.before, seen.after, seen.scores, seen.areas, SIGMAS)
    return plain.match(table, LEAST)


@pytest.mark.benchmark(group="tracking, 20 people")
def test_tracking_ours(benchmark: BenchmarkFixture, observed: Observed) -> None:
    found = benchmark(associate, observed)
    assert len(found) == 20
    assert sorted(found) == sorted(associate_plainly(observed))


@pytest.mark.benchmark(group="tracking, 20 people")
def test_tracking_plain(benchmark: BenchmarkFixture, observed: Observed) -> None:
    assert len(benchmark(associate_plainly, observed)) == 20
