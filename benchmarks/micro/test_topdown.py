"""Crop, normalise, DARK: ours and the plain loop, side by side in one group of the report."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.budget.dark import draw
from benchmarks.micro import plain
from litepose_edge import geometry
from litepose_edge.backends import find_model
from litepose_edge.decoding import heatmaps
from litepose_edge.decoding.expected_oks import expected_oks_cells
from litepose_edge.geometry import Size
from litepose_edge.preprocess import Normalizer, warp
from litepose_edge.skeletons import COCO_17

INPUT = find_model("lrpose-s").manifest.input
SIZE = INPUT.size
MAPS = Size(SIZE.width // 8, SIZE.height // 8)
BOX = np.array([120.0, 60.0, 300.0, 420.0])


@pytest.fixture(autouse=True)
def one_thread():
    cv2.setNumThreads(1)


@pytest.fixture
def image():
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    return cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC)


@pytest.mark.benchmark(group="crop, one person")
def test_crop_ours(benchmark, image):
    out = np.empty((SIZE.height, SIZE.width, 3), np.uint8)

    def crop():
        return warp(image, geometry.crop_affine(BOX, SIZE, 1.25), SIZE, out=out)

    found = benchmark(crop)
    affine = plain.crop_affine(BOX, SIZE.width, SIZE.height)
    expected = plain.sample(image, affine, SIZE.width, SIZE.height)
    # OpenCV places samples on a grid of 1/32 pixel.
    assert np.abs(found - expected).max() <= 8
    assert np.abs(found - expected).mean() < 0.6


@pytest.mark.benchmark(group="crop, one person")
def test_crop_plain(benchmark, image):
    affine = plain.crop_affine(BOX, SIZE.width, SIZE.height)
    crop = benchmark.pedantic(plain.sample, (image, affine, SIZE.width, SIZE.height), rounds=3)
    assert crop.shape == (SIZE.height, SIZE.width, 3)


@pytest.mark.benchmark(group="normalise, one person")
def test_normalise_ours(benchmark, image):
    crop = np.ascontiguousarray(image[: SIZE.height, : SIZE.width])
    found = benchmark(Normalizer(INPUT), crop)
    expected = plain.normalise(crop, INPUT.mean, INPUT.std)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.benchmark(group="normalise, one person")
def test_normalise_plain(benchmark, image):
    crop = np.ascontiguousarray(image[: SIZE.height, : SIZE.width])
    batch = benchmark(plain.normalise, crop, INPUT.mean, INPUT.std)
    assert batch.shape == (1, *INPUT.shape)


def loop(maps):
    return np.stack([plain.dark(plain.sigmoid(part), 3)[0] for part in maps])


@pytest.fixture(params=[1, 20], ids=["1 person", "20 people"])
def maps(request, benchmark):
    benchmark.group = f"DARK, {request.param} people"
    return draw(np.random.default_rng(0), request.param, MAPS)


@pytest.mark.benchmark
def test_dark_ours(benchmark, maps):
    found, _ = benchmark(heatmaps.decode_heatmaps, maps)
    np.testing.assert_allclose(found, loop(maps), atol=1e-5)


@pytest.mark.benchmark
def test_expected_oks(benchmark, maps):
    found = benchmark(expected_oks_cells, maps, "sigmoid", COCO_17.oks_sigmas)
    # The maps are drawn bells: where they end within the map, both find the middle.
    assert np.median(np.abs(found - loop(maps))) < 0.05


@pytest.mark.benchmark
def test_dark_plain(benchmark, maps):
    assert benchmark(loop, maps).shape == (*maps.shape[:2], 2)
