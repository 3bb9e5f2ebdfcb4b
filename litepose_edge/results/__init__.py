"""What the estimator returns: all people of one image as arrays, and one person by names."""

from litepose_edge.results.crop_view import CropView
from litepose_edge.results.documents import JSON_SCHEMA, coco_entry
from litepose_edge.results.measures import angle
from litepose_edge.results.person import Keypoint, Person
from litepose_edge.results.poses import Poses
from litepose_edge.results.tables import Normalized

__all__ = [
    "JSON_SCHEMA",
    "CropView",
    "Keypoint",
    "Normalized",
    "Person",
    "Poses",
    "angle",
    "coco_entry",
]
