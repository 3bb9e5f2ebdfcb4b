"""2-D human pose on CPUs without a GPU: `Estimator().predict(frame)`."""

import importlib
import typing

from litepose_edge.errors import LitePoseError
from litepose_edge.estimator import Estimator
from litepose_edge.geometry import Size
from litepose_edge.pipelines.bottomup_options import BottomUpOptions
from litepose_edge.results import Keypoint, Person, Poses, angle
from litepose_edge.skeletons import COCO_17, Skeleton

if typing.TYPE_CHECKING:
    from litepose_edge.drawing import Trails
    from litepose_edge.streaming import StreamResult

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
    "StreamResult",
    "Trails",
    "angle",
]
_LATE = {
    "StreamResult": "litepose_edge.streaming",
    "Trails": "litepose_edge.drawing",
}

if not typing.TYPE_CHECKING:  # with these in sight, type checkers take any name

    def __getattr__(name: str) -> object:
        """What most programs do without is imported when it is first wanted."""
        if name not in _LATE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_LATE[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
