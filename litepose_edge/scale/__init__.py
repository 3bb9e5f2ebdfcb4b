"""Label archives of images and films: local worker processes, or a Ray cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litepose_edge.scale.options import LabelOptions

if TYPE_CHECKING:
    from litepose_edge.scale.labelling import Summary, label
    from litepose_edge.scale.mapper import PoseMapper

__all__ = ["LabelOptions", "PoseMapper", "Summary", "label"]

_WHERE = {"PoseMapper": "mapper", "Summary": "labelling", "label": "labelling"}


def __getattr__(name: str) -> Any:
    """What needs pyarrow is imported when it is wanted."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"litepose_edge.scale.{_WHERE[name]}"), name)
