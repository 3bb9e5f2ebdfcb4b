"""Draws people on images: skeletons, boxes, labels, trails; and what a network saw."""

from litepose_edge.drawing.frames import check_size, plain_ground, png
from litepose_edge.drawing.heat import draw_heat, enlarged, titled
from litepose_edge.drawing.palette import Palette
from litepose_edge.drawing.people import People, Style, draw_keypoints, draw_people, draw_poses
from litepose_edge.drawing.trails import Trails

__all__ = [
    "Palette",
    "People",
    "Style",
    "Trails",
    "check_size",
    "draw_heat",
    "draw_keypoints",
    "draw_people",
    "draw_poses",
    "enlarged",
    "plain_ground",
    "png",
    "titled",
]
