"""Any network that runs as a teacher: its keypoints become targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from hands import write_hands  # noqa: E402
from litepose_edge import Estimator, geometry  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.data.distillation_targets import to_teacher_input  # noqa: E402
from litepose_export.training.data.people import load_people  # noqa: E402
from litepose_export.training.distillation.keypoint_teacher import distill_keypoints  # noqa: E402
from litepose_export.training.runs import pose  # noqa: E402
from litepose_export.training.runs.options import PoseRunOptions  # noqa: E402
from training_samples import SILENT  # noqa: E402

TEACHER = Path("lrpose-n")


def test_maps_peak_where_the_teacher_sees_keypoints_as_high_as_its_scores(people):
    told: list[None] = []
    targets = distill_keypoints(people, TEACHER, lambda: told.append(None))
    assert len(told) == len(people)
    with Estimator("lrpose-n", detector=None) as teacher:
        poses = teacher.predict(people.images[0], boxes_xyxy=people.boxes_xyxy[:1])
    np.testing.assert_allclose(targets.keypoints[0, :, :2], poses.keypoints[0], atol=1e-3)
    assert (targets.trusted == (targets.keypoints[..., 2] >= 0.5)).all()
    at = geometry.transform(to_teacher_input(people.boxes_xyxy[0]), poses.keypoints[0])
    cells = (at + 0.5) / 8 - 0.5
    for joint in np.flatnonzero(poses.scores[0] > 0.2):
        drawn = targets.maps[0, joint]
        y, x = divmod(int(drawn.argmax()), drawn.shape[1])
        # Between two cells that eight bits tell not apart either may be the highest.
        assert np.abs(cells[joint] - [x, y]).max() <= 0.51
        assert drawn.max() / 255 <= poses.scores[0, joint] + 0.01


def test_a_teacher_of_other_keypoints_is_refused(tmp_path):
    hands = load_people([read_coco(write_hands(tmp_path / "hands", 1))])
    with pytest.raises(ExportError, match=r"finds 17 keypoints \(coco17\), the data label 21"):
        distill_keypoints(hands, TEACHER, lambda: None)


@pytest.mark.parametrize("network", ["efficientpose-a"])  # cells lie on corners
def test_every_family_learns_from_a_teacher(network, photo_dataset, tmp_path):
    options = PoseRunOptions(
        data=(photo_dataset,),
        folder=tmp_path,
        budget=Budget(steps=1),
        batch=2,
        input_size=pose.Size(64, 64),
        teachers=(TEACHER,),
    )
    assert pose.train_pose(network, options, SILENT).exists()
    assert (tmp_path / "distillation_targets.npz").exists()
