"""What the estimator returns: all people of one image as arrays, and one person by names."""

from typing import TYPE_CHECKING

from litepose_edge.results.documents import JSON_SCHEMA, coco_entry
from litepose_edge.results.measures import angle
from litepose_edge.results.person import Keypoint, Person
from litepose_edge.results.poses import Poses

if TYPE_CHECKING:
    from litepose_edge.results.crop_view import CropView
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

if not TYPE_CHECKING:  # with these in sight, type checkers take any name

    def __getattr__(name: str) -> object:
        """What few programs use is imported when it is first wanted."""
        if name == "CropView":
            from litepose_edge.results.crop_view import CropView

            return CropView
        if name == "Normalized":
            from litepose_edge.results.tables import Normalized

            return Normalized
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
