"""Crop, normalise, DARK: ours and the plain loop, side by side in one group of the report."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.budget.dark import draw
from benchmarks.micro import plain
from litepose_edge import geometry
from litepose_edge.backends import find_model
from litepose_edge.decoding import heatmaps
from litepose_edge.decoding.expected_oks import expected_oks_cells
from litepose_edge.geometry import Size
from litepose_edge.manifest import BOX_PADDING
from litepose_edge.preprocess import Normalizer, warp
from litepose_edge.skeletons import COCO_17

INPUT = find_model("lrpose-s").manifest.input
SIZE = INPUT.size
MAPS = Size(SIZE.width // 8, SIZE.height // 8)
Array = NDArray[Any]
BOX = np.array([120.0, 60.0, 300.0, 420.0])


@pytest.fixture(autouse=True)
def one_thread() -> None:
    cv2.setNumThreads(1)


@pytest.fixture
def image() -> NDArray[np.uint8]:
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    return cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


@pytest.mark.benchmark(group="crop, one person")
def test_crop_ours(benchmark: BenchmarkFixture, image: NDArray[np.uint8]) -> None:
    out = np.empty((SIZE.height, SIZE.width, 3), np.uint8)

    def crop() -> NDArray[np.uint8]:
        return warp(image, geometry.crop_affine(BOX, SIZE, BOX_PADDING), SIZE, out=out)

    found = benchmark(crop)
    affine = plain.crop_affine(BOX, SIZE.width, SIZE.height)
    expected = plain.sample(image, affine, SIZE.width, SIZE.height)
    # OpenCV places samples on a grid of 1/32 pixel.
    assert np.abs(found - expected).max() <= 8
    assert np.abs(found - expected).mean() < 0.6


@pytest.mark.benchmark(group="crop, one person")
def test_crop_plain(benchmark: BenchmarkFixture, image: NDArray[np.uint8]) -> None:
    affine = plain.crop_affine(BOX, SIZE.width, SIZE.height)
    arguments = (image, affine, SIZE.width, SIZE.height)
    # The fixture says what a call of it gives, but not what `pedantic` does.
    crop = benchmark.pedantic(plain.sample, arguments, rounds=3)  # type: ignore[no-untyped-call]
    assert crop.shape == (SIZE.height, SIZE.width, 3)


@pytest.mark.benchmark(group="normalise, one person")
def test_normalise_ours(benchmark: BenchmarkFixture, image: NDArray[np.uint8]) -> None:
    crop = np.ascontiguousarray(image[: SIZE.height, : SIZE.width])
    found = benchmark(Normalizer(INPUT), crop)
    expected = plain.normalise(crop, INPUT.mean, INPUT.std)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.benchmark(group="normalise, one person")
def test_normalise_plain(benchmark: BenchmarkFixture, image: NDArray[np.uint8]) -> None:
    crop = np.ascontiguousarray(image[: SIZE.height, : SIZE.width])
    batch = benchmark(plain.normalise, crop, INPUT.mean, INPUT.std)
    assert batch.shape == (1, *INPUT.shape)


def loop(maps: Array) -> Array:
    return np.stack([plain.dark(plain.sigmoid(part), 3)[0] for part in maps])


@pytest.fixture(params=[1, 20], ids=["1 person", "20 people"])
def maps(request: pytest.FixtureRequest, benchmark: BenchmarkFixture) -> Array:
    benchmark.group = f"DARK, {request.param} people"
    return draw(np.random.default_rng(0), request.param, MAPS)


@pytest.mark.benchmark
def test_dark_ours(benchmark: BenchmarkFixture, maps: Array) -> None:
    found, _ = benchmark(heatmaps.decode_heatmaps, maps)
    np.testing.assert_allclose(found, loop(maps), atol=1e-5)


@pytest.mark.benchmark
def test_expected_oks(benchmark: BenchmarkFixture, maps: Array) -> None:
    found = benchmark(expected_oks_cells, maps, "sigmoid", COCO_17.oks_sigmas)
    # The maps are drawn bells: where they end within the map, both find the middle.
    assert np.median(np.abs(found - loop(maps))) < 0.05


@pytest.mark.benchmark
def test_dark_plain(benchmark: BenchmarkFixture, maps: Array) -> None:
    assert benchmark(loop, maps).shape == (*maps.shape[:2], 2)
