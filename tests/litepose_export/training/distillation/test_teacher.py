"""What teachers say of people does not depend on how many are looked at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

pytest.importorskip("torch")
openvino = pytest.importorskip("openvino")
pytestmark = [pytest.mark.export, pytest.mark.openvino]

from openvino import opset13 as ops  # noqa: E402

from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.training.data.people import load_people  # noqa: E402
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


def test_people_looked_at_together_are_seen_as_alone(teacher_path, photo_dataset):
    people = load_people([read_coco(photo_dataset)])
    first, second = teacher.open_network(teacher_path), teacher.open_network(teacher_path)
    told, ticks = [], []
    for threads in (1, 4):
        told.append(teacher.teach(people, first, second, lambda: ticks.append(1), threads))
        assert len(ticks) == len(people) * len(told)
    alone, together = told
    assert alone.maps.std() > 0
    assert len({m.tobytes() for m in alone.maps}) == len(people)
    np.testing.assert_array_equal(together.maps, alone.maps)
    np.testing.assert_array_equal(together.keypoints, alone.keypoints)
    np.testing.assert_array_equal(together.trusted, alone.trusted)


def test_a_teacher_answers_threads_that_ask_at_once(teacher_path):
    network = teacher.open_network(teacher_path)
    rng = np.random.default_rng(1)
    crops = [rng.normal(size=(1, 3, 256, 192)).astype(np.float32) for _ in range(4)]
    expected = [network(crop) for crop in crops]
    barrier = Barrier(4)

    def ask(number):
        barrier.wait()
        return [network(crops[number]) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        for number, answers in enumerate(pool.map(ask, range(4))):
            for answer in answers:
                np.testing.assert_array_equal(answer, expected[number])
