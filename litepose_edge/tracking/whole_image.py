"""Networks that find people by themselves, as a tracker asks: boxes first, then their keypoints."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from litepose_edge.boxes import box_iou
from litepose_edge.geometry import Float32
from litepose_edge.person_filter import with_odds_times
from litepose_edge.preprocess import Image
from litepose_edge.results import Poses
from litepose_edge.skeletons import Skeleton
from litepose_edge.tracking import tracks
from litepose_edge.tracking.tracker import KEEP_ODDS

# A box holds the person who was found in it, and no other box more.
SAME_BOX = 0.5


class ImageNetworks(Protocol):
    """What finds the people of a whole image (`networks.Networks`)."""

    skeleton: Skeleton
    min_keypoint_score: float

    def people(self, image: Image, min_score: float, max_boxes: int) -> Poses:
        """Candidates; `person_scores` is the confidence in each."""


class WholeImageNetworks:
    """A bottom-up or one-stage network behind what a tracker asks of detector and pose network.

    It runs once an image, when asked for boxes; a tracker of it detects on every frame.

    Args:
        networks: Finds the people.
        max_people: At most so many a frame.
    """

    def __init__(self, networks: ImageNetworks, max_people: int) -> None:
        self._networks, self._max_people = networks, max_people
        self.skeleton = networks.skeleton
        self.min_keypoint_score = networks.min_keypoint_score
        self._found: Poses | None = None

    def boxes(self, image: Image, min_score: float) -> tuple[Float32, Float32]:
        """Boxes `(P, 4)` and confidences `(P,)` of the people, best first.

        Those of somewhat lower confidence are among them: tracks go on with less.
        """
        least = with_odds_times(min_score, KEEP_ODDS)
        found = self._networks.people(image, least, self._max_people)
        found = found[found.person_scores >= least]
        self._found = found[np.argsort(-found.person_scores, kind="stable")]
        return self._found.boxes_xyxy, self._found.person_scores

    def keypoints(
        self, image: Image, boxes_xyxy: Float32, *, detected: bool
    ) -> tuple[Float32, Float32]:
        """Keypoints `(P, K, 2)` and scores `(P, K)` of the person found in each box.

        Where no person was found, the keypoints lie in the box's middle and score 0.
        """
        assert self._found is not None  # a tracker of whole images asks for boxes first
        count = len(self.skeleton)
        middles = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
        keypoints = np.repeat(middles[:, None], count, axis=1).astype(np.float32, copy=False)
        scores = np.zeros((len(boxes_xyxy), count), np.float32)
        for box, person in tracks.match(box_iou(boxes_xyxy, self._found.boxes_xyxy), SAME_BOX):
            keypoints[box] = self._found.keypoints[person]
            scores[box] = self._found.scores[person]
        return keypoints, scores

    def confidence(self, box_scores: Float32, scores: Float32) -> Float32:
        """The people's own confidence; none where nothing was found."""
        confidence: Float32 = np.where(scores.any(axis=1), box_scores, np.float32(0))
        return confidence

    def reported_scores(self, scores: Float32) -> Float32:
        """As they are: these networks' scores have no calibration."""
        return scores
