"""2-D human pose on CPUs without a GPU: `Estimator().predict(frame)`."""

from litepose_edge.drawing import Trails
from litepose_edge.errors import LitePoseError
from litepose_edge.estimator import Estimator
from litepose_edge.geometry import Size
from litepose_edge.pipelines.bottomup_options import BottomUpOptions
from litepose_edge.results import Keypoint, Person, Poses, angle
from litepose_edge.skeletons import COCO_17, Skeleton

__version__ = "0.1.0"
__all__ = [
    "COCO_17",
    "BottomUpOptions",
    "Estimator",
    "Keypoint",
    "LitePoseError",
    "Person",
    "Poses",
    "Size",
    "Skeleton",
    "Trails",
    "angle",
]
