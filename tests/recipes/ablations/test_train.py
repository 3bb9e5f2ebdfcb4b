"""Runs of the ablation study: what they record, and whom they see."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.training.data.distillation_targets import (  # noqa: E402
    DistillationTargets,
)
from litepose_export.training.data.people import load_people  # noqa: E402
from recipes.ablations import train  # noqa: E402
from recipes.ablations.variants import VARIANTS  # noqa: E402


def test_a_run_is_recorded_with_its_curve(photo_dataset, monkeypatch):
    monkeypatch.setattr(train, "BATCH", 8)
    dataset = read_coco(photo_dataset)
    material = train.Material([dataset], load_people([dataset]), None, dataset)
    record = train.run("mse-16", VARIANTS["mse-16"], 0, 8 * 40, material)
    json.dumps(record)
    assert record["crops"] == 8 * 40
    assert [point["crops"] for point in record["curve"]] == [8 * 20]
    assert set(record["ap"]) == {"dark", "quarter", "argmax"}
    assert record["teacher"] is False


def test_fewer_people_keep_their_own_distillation_targets(photo_dataset):
    people = load_people([read_coco(photo_dataset)])
    numbers = np.arange(len(people), dtype=np.uint8)[:, None, None, None]
    maps = numbers * np.ones((17, 4, 3), np.uint8)
    targets = DistillationTargets(maps, people.keypoints, people.keypoints[..., 2] > 0)
    fewer, kept = train.some_of(people, targets, 0.5, seed=0)
    assert len(fewer) == len(people) // 2
    for person, number in enumerate(kept.maps[:, 0, 0, 0]):
        np.testing.assert_array_equal(fewer.keypoints[person], people.keypoints[number])
