"""A supernet learns and is scored on the files that show people."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from litepose_edge.geometry import Size
from litepose_export.search.job import SearchDisplay
from litepose_export.search.litepose.space import LitePoseSpace
from litepose_export.search.lrpose.space import LRPoseSpace
from litepose_export.search.supernet.score import MakeSupernetScore
from litepose_export.search.supernet.tasks import CropTask, Photographs, SceneTask
from litepose_export.search.supernet.training import SupernetOptions, SupernetTraining


@pytest.mark.parametrize("family", ["lrpose", "litepose"])
def test_a_file_without_people_has_no_share(family, photo_dataset, unlabelled_dataset, tmp_path):
    photographs = Photographs((photo_dataset, unlabelled_dataset), photo_dataset)
    if family == "lrpose":
        space, task = LRPoseSpace(17, [Size(64, 96)]), CropTask(photographs)
    else:
        space = LitePoseSpace(17, [Size(32, 32)], blocks=(1, 1, 1, 1))
        task = SceneTask(photographs, 17, short_side=32)
    training = SupernetTraining(space, task, 1, tmp_path, SupernetOptions(), batch=2)
    checkpoint = training.run(SearchDisplay(lambda what, total: lambda: None))
    score = MakeSupernetScore(space, task, checkpoint, "loss")()
    assert score(space.largest) < 0
