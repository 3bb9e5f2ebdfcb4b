"""People who walk, squat, bend, fall and lie down: keypoint tracks made of joint angles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from litepose_edge import COCO_17, Poses, Size

IMAGE = Size(640, 480)
FPS = 15
# Of a body 180 pixels high: lengths of shank, thigh, trunk, neck and arm halves.
SHANK, THIGH, TRUNK, NECK, ARM = 44.0, 46.0, 52.0, 26.0, 30.0
# Angles in degrees from the vertical: shank, thigh and trunk, all to the front (+x).
Posture = tuple[float, float, float]
STANDING: Posture = (0.0, 0.0, 0.0)


def body(
    posture: Posture = STANDING,
    feet: tuple[float, float] = (320.0, 400.0),
    *,
    turned: float = 0.0,
    hand: float = -170.0,
) -> NDArray[np.float32]:
    """Keypoints `(17, 2)` of a person seen from the side, half turned to the camera.

    Args:
        posture: Angles of shank, thigh and trunk.
        feet: Where they stand, in pixels.
        turned: Degrees by which the whole body is tipped about its feet.
        hand: Angle of the left arm from straight up; the right one hangs down.
    """
    shank, thigh, trunk = np.radians(posture)
    ankle = np.zeros(2)
    knee = ankle + SHANK * _up(shank)
    hip = knee + THIGH * _up(-thigh)
    shoulder = hip + TRUNK * _up(trunk)
    head = shoulder + NECK * _up(trunk / 2)
    points = {"nose": head + np.array([6, 2])}
    for side, x in (("left", 7.0), ("right", -7.0)):
        points[f"{side}_eye"] = head + np.array([4 + x / 3, -2])
        points[f"{side}_ear"] = head + np.array([x / 3, 0])
        arm = _up(np.radians(hand if side == "left" else 170.0))
        for joint, place in (
            ("shoulder", shoulder), ("elbow", shoulder + ARM * arm),
            ("wrist", shoulder + 2 * ARM * arm), ("hip", hip), ("knee", knee), ("ankle", ankle),
        ):  # fmt: skip
            points[f"{side}_{joint}"] = place + np.array([x, 0])
    there = np.array([points[name] for name in COCO_17.keypoint_names])
    return (tip(there, turned) + feet).astype(np.float32)


def tip(points: NDArray[np.floating], degrees: float) -> NDArray[np.floating]:
    """Points `(..., 2)` turned about the origin, clockwise on the screen."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[cos, sin], [-sin, cos]])


def poses_of(*bodies: NDArray[np.float32], score: float = 0.8, first_id: int = 1) -> Poses:
    """Tracked people with these keypoints, all of them seen."""
    keypoints = np.array(bodies, np.float32).reshape(-1, 17, 2)
    boxes = np.concatenate([keypoints.min(axis=1) - 8, keypoints.max(axis=1) + 8], axis=1)
    return Poses(
        keypoints=keypoints,
        scores=np.full(keypoints.shape[:2], score, np.float32),
        boxes_xyxy=boxes.astype(np.float32),
        person_scores=np.full(len(keypoints), 0.7, np.float32),
        skeleton=COCO_17,
        image_size=IMAGE,
        track_ids=np.arange(first_id, first_id + len(keypoints)),
    )


def track(
    seconds: float, pose_at: Callable[[float], NDArray[np.float32]]
) -> Iterator[tuple[float, Poses]]:
    """Times and poses of one person, 15 a second."""
    for i in range(round(seconds * FPS)):
        yield i / FPS, poses_of(pose_at(i / FPS))


def squat(t: float, period_s: float = 4.0) -> NDArray[np.float32]:
    """Standing at the beginning of each period, lowest in its middle."""
    depth = (1 - np.cos(2 * np.pi * t / period_s)) / 2
    return body((depth * 35, depth * 65, depth * 40))


def walk(t: float) -> NDArray[np.float32]:
    """From the left to the right, 80 pixels a second, with swinging legs."""
    swing = 12 * np.sin(2 * np.pi * t)
    return body((swing, swing / 2, 4), (60 + 80 * t, 400))


def turned_about_the_middle(poses: Poses, degrees: float) -> Poses:
    """Keypoints of all people turned about the middle of their boxes, as in a fall."""
    middles = poses.boxes_xyxy.reshape(-1, 2, 2).mean(axis=1)[:, None]
    keypoints = tip(poses.keypoints - middles, degrees) + middles
    return replace(poses, keypoints=keypoints.astype(np.float32))


def _up(angle: float) -> NDArray[np.floating]:
    """A unit vector upwards on the screen, so many radians towards +x."""
    return np.array([np.sin(angle), -np.cos(angle)])
