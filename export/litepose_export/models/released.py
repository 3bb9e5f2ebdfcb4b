"""What was measured of the released LRPose networks, for their manifests."""

from __future__ import annotations

import msgspec

from litepose_edge.manifest import ScoreCalibration, TopDownSpec, Training

PHOTOGRAPHS = "COCO val2017 (part) and train2017 (118 photographs)"
SPORTS = "Leeds Sports Pose Extended (part)"
ACTIONS = "Stanford 40 Actions (part)"
CLOTHING = "Clothing Co-Parsing"
EVERYDAY = "Flickr8k (1,000 photographs)"
LICENCE = "Apache-2.0"
TEACHERS = ("PP-TinyPose 256x192", "Ultralight-Nano-SimplePose 256x192")
# A calibrated score is right as often as it says, so half of these are.
HALF_RIGHT = 0.5


class ReleasedPose(msgspec.Struct, frozen=True):
    """Figures of one network, measured on dev.

    Attributes:
        min_pose_score: So that there is no false positive in 1,010 views without people
            (`benchmarks/analysis/person_confidence.py`, ADR 22).
        score_calibration: Of reported keypoint scores (`benchmarks/analysis/calibration.py`).
        flip_test_below: Below this pose score a person gets a flip test (ADR 16).
        flip_test_below_detected: The same of detected people, before they are reported (ADR 17).
        data: What it was trained on.
    """

    min_pose_score: float
    score_calibration: ScoreCalibration
    flip_test_below: float = 0.0
    flip_test_below_detected: float = 0.5
    data: tuple[str, ...] = (PHOTOGRAPHS, SPORTS)

    def applied(self, task: TopDownSpec) -> TopDownSpec:
        """A task with these thresholds."""
        return msgspec.structs.replace(
            task,
            min_pose_score=self.min_pose_score,
            score_calibration=self.score_calibration,
            min_keypoint_score=HALF_RIGHT,
            flip_test_below=self.flip_test_below,
            flip_test_below_detected=self.flip_test_below_detected,
        )

    @property
    def training(self) -> Training:
        """Where the weights come from."""
        return Training(data=self.data, teachers=TEACHERS, licence=LICENCE)


POSE_NETWORKS = {
    "lrpose-s": ReleasedPose(
        min_pose_score=0.575,
        score_calibration=ScoreCalibration(scale=1.191, offset=1.214),
        flip_test_below_detected=0.0,
        data=(PHOTOGRAPHS, SPORTS, ACTIONS, CLOTHING, EVERYDAY),
    ),
    # LRPose-m is for those who want accuracy.
    "lrpose-m": ReleasedPose(
        min_pose_score=0.485,
        score_calibration=ScoreCalibration(scale=1.105, offset=1.517),
        flip_test_below=0.62,
        data=(PHOTOGRAPHS, SPORTS, ACTIONS),
    ),
    # It gives background higher scores than the larger networks do.
    "lrpose-n": ReleasedPose(
        min_pose_score=0.685,
        score_calibration=ScoreCalibration(scale=1.259, offset=0.444),
        flip_test_below_detected=0.0,
        data=(PHOTOGRAPHS, SPORTS, ACTIONS, CLOTHING, EVERYDAY),
    ),
}
