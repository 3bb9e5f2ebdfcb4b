"""A labelling job whose networks cost nothing: for what is not about inference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge import COCO_17, Poses, Size
from litepose_edge.scale import work
from litepose_edge.scale.options import LabelOptions
from litepose_edge.scale.work import Job, Labeller

PEOPLE = 2


class StubEstimator:
    """Two people in every image, where the sum of its pixels says."""

    def predict(self, image: NDArray[np.uint8]) -> Poses:
        """Poses of `(2, 17)` keypoints."""
        height, width = image.shape[:2]
        rng = np.random.default_rng(int(image.sum(dtype=np.int64)))
        return Poses(
            keypoints=rng.uniform(0, 1, (PEOPLE, 17, 2)).astype(np.float32) * width,
            scores=rng.uniform(0, 1, (PEOPLE, 17)).astype(np.float32),
            boxes_xyxy=np.tile(np.array([0, 0, width, height], np.float32), (PEOPLE, 1)),
            person_scores=np.full(PEOPLE, 0.9, np.float32),
            skeleton=COCO_17,
            image_size=Size(width, height),
        )

    def close(self) -> None:
        """Nothing to free."""


def _stub(options: LabelOptions) -> Any:
    return StubEstimator()


class StubJob(Job):
    """Opens the stub in the worker."""

    __slots__ = ()

    def open(self) -> Labeller:
        """Images are read and decoded as ever."""
        work._estimator = _stub
        return Labeller(self)


def stub_job(options: LabelOptions) -> Job:
    """In the place of `work.make_job`."""
    names = tuple(COCO_17.keypoint_names)
    return StubJob(options, "stub", names, {"model": "stub", "detector": "stub"})
