"""Keypoint sets of hands, whole bodies and animals."""

from __future__ import annotations

from litepose_edge.skeletons.people import COCO_17
from litepose_edge.skeletons.skeleton import Skeleton

# One hand, in the order of COCO-WholeBody, OneHand10K and FreiHAND. Sigmas: those of a hand in
# COCO-WholeBody's evaluation tool; left and right have the same.
HAND_21 = Skeleton(
    name="hand21",
    keypoint_names=(
        "wrist",
        *(
            f"{finger}{joint}"
            for finger in ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
            for joint in (1, 2, 3, 4)
        ),
    ),
    bones=tuple(
        (0 if joint == 1 else 4 * finger + joint - 1, 4 * finger + joint)
        for finger in range(5)
        for joint in (1, 2, 3, 4)
    ),
    flip_pairs=(),
    oks_sigmas=(
        0.029, 0.022, 0.035, 0.037, 0.047, 0.026, 0.025, 0.024, 0.035, 0.018, 0.024, 0.022,
        0.026, 0.017, 0.021, 0.021, 0.032, 0.02, 0.019, 0.022, 0.031,
    ),
)  # fmt: skip

# COCO-WholeBody (Jin et al., ECCV 2020, arXiv 2007.11858): 17 body, 6 foot, 68 face and 2 x 21
# hand points. Sigmas of its evaluation tool (jin-s13/COCO-WholeBody, myeval_wholebody.py).
_LEFT_HAND, _RIGHT_HAND = 91, 112
WHOLEBODY_133 = Skeleton(
    name="wholebody133",
    keypoint_names=(
        *COCO_17.keypoint_names,
        "left_big_toe",
        "left_small_toe",
        "left_heel",
        "right_big_toe",
        "right_small_toe",
        "right_heel",
        *(f"face-{point}" for point in range(68)),
        *(
            f"{side}_{'hand_root' if name == 'wrist' else name}"
            for side in ("left", "right")
            for name in HAND_21.keypoint_names
        ),
    ),
    bones=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7),
        (6, 8), (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
        (15, 17), (15, 18), (15, 19), (16, 20), (16, 21), (16, 22),
        *((_LEFT_HAND + a, _LEFT_HAND + b) for a, b in HAND_21.bones),
        *((_RIGHT_HAND + a, _RIGHT_HAND + b) for a, b in HAND_21.bones),
    ),
    flip_pairs=(
        *COCO_17.flip_pairs, (17, 20), (18, 21), (19, 22),
        (23, 39), (24, 38), (25, 37), (26, 36), (27, 35), (28, 34), (29, 33), (30, 32),
        (40, 49), (41, 48), (42, 47), (43, 46), (44, 45), (54, 58), (55, 57), (59, 68),
        (60, 67), (61, 66), (62, 65), (63, 70), (64, 69), (71, 77), (72, 76), (73, 75),
        (78, 82), (79, 81), (83, 87), (84, 86), (88, 90),
        *((_LEFT_HAND + point, _RIGHT_HAND + point) for point in range(21)),
    ),
    oks_sigmas=(
        *COCO_17.oks_sigmas,
        0.068, 0.066, 0.066, 0.092, 0.094, 0.094, 0.042, 0.043, 0.044, 0.043, 0.04, 0.035,
        0.031, 0.025, 0.02, 0.023, 0.029, 0.032, 0.037, 0.038, 0.043, 0.041, 0.045, 0.013,
        0.012, 0.011, 0.011, 0.012, 0.012, 0.011, 0.011, 0.013, 0.015, 0.009, 0.007, 0.007,
        0.007, 0.012, 0.009, 0.008, 0.016, 0.01, 0.017, 0.011, 0.009, 0.011, 0.009, 0.007,
        0.013, 0.008, 0.011, 0.012, 0.01, 0.034, 0.008, 0.008, 0.009, 0.008, 0.008, 0.007,
        0.01, 0.008, 0.009, 0.009, 0.009, 0.007, 0.007, 0.008, 0.011, 0.008, 0.008, 0.008,
        0.01, 0.008,
        *HAND_21.oks_sigmas, *HAND_21.oks_sigmas,
    ),
)  # fmt: skip

# AP-10K (Yu et al., NeurIPS 2021, arXiv 2108.12617): animals. Sigmas of the authors' own
# configuration (AlexTheBad/AP-10K, ap10k.py), which took COCO's.
AP10K_17 = Skeleton(
    name="ap10k17",
    keypoint_names=(
        "L_Eye",
        "R_Eye",
        "Nose",
        "Neck",
        "Root of tail",
        "L_Shoulder",
        "L_Elbow",
        "L_F_Paw",
        "R_Shoulder",
        "R_Elbow",
        "R_F_Paw",
        "L_Hip",
        "L_Knee",
        "L_B_Paw",
        "R_Hip",
        "R_Knee",
        "R_B_Paw",
    ),
    bones=(
        (0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (3, 5), (5, 6), (6, 7), (3, 8), (8, 9),
        (9, 10), (4, 11), (11, 12), (12, 13), (4, 14), (14, 15), (15, 16),
    ),
    flip_pairs=((0, 1), (5, 8), (6, 9), (7, 10), (11, 14), (12, 15), (13, 16)),
    oks_sigmas=(
        0.025, 0.025, 0.026, 0.035, 0.035, 0.079, 0.072, 0.062, 0.079, 0.072, 0.062, 0.107,
        0.087, 0.089, 0.107, 0.087, 0.089,
    ),
)  # fmt: skip
