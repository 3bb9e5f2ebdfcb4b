"""Distillation targets do not depend on how many people are processed at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

pytest.importorskip("torch")
openvino = pytest.importorskip("openvino")
pytestmark = [pytest.mark.export, pytest.mark.openvino]

from openvino import opset13 as ops  # noqa: E402

from litepose_export.training.distillation import teacher  # noqa: E402


@pytest.fixture(scope="module")
def teacher_path(tmp_path_factory):
    """Seventeen maps of a crop's colours at stride 4."""
    kernel = np.random.default_rng(0).normal(size=(17, 3, 4, 4)).astype(np.float32) / 48
    image = ops.parameter([1, 3, 256, 192], np.float32)
    maps = ops.sigmoid(ops.convolution(image, ops.constant(kernel), (4, 4), (0, 0), (0, 0), (1, 1)))
    path = tmp_path_factory.mktemp("teacher") / "teacher.xml"
    openvino.save_model(openvino.Model([maps], [image], "teacher"), path, compress_to_fp16=False)
    return path


def test_people_processed_together_get_the_targets_they_get_alone(teacher_path, people):
    first, second = teacher.open_teacher(teacher_path), teacher.open_teacher(teacher_path)
    targets, calls = [], []
    for threads in (1, 4):
        targets.append(teacher.distill(people, first, second, lambda: calls.append(1), threads))
        assert len(calls) == len(people) * len(targets)
    alone, together = targets
    assert alone.maps.std() > 0
    assert len({m.tobytes() for m in alone.maps}) == len(people)
    np.testing.assert_array_equal(together.maps, alone.maps)
    np.testing.assert_array_equal(together.keypoints, alone.keypoints)
    np.testing.assert_array_equal(together.trusted, alone.trusted)


def test_a_teacher_runs_in_several_threads_at_once(teacher_path):
    network = teacher.open_teacher(teacher_path).network
    rng = np.random.default_rng(1)
    crops = [rng.normal(size=(1, 3, 256, 192)).astype(np.float32) for _ in range(4)]
    expected = [network(crop) for crop in crops]
    barrier = Barrier(4)

    def run(number):
        barrier.wait()
        return [network(crops[number]) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        for number, outputs in enumerate(pool.map(run, range(4))):
            for output in outputs:
                np.testing.assert_array_equal(output, expected[number])
