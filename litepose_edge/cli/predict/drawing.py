"""What is drawn besides the skeletons: `--draw boxes,ids,scores,trails`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import typer
from numpy.typing import NDArray

from litepose_edge.drawing import Trails
from litepose_edge.results import Poses

PARTS = ("boxes", "ids", "scores", "trails")
NOTHING = "none"
USUAL = "boxes,ids"

# Takes a frame, its people and its time in seconds; returns the drawing.
Draw = Callable[[NDArray[np.uint8], Poses, float], NDArray[np.uint8]]


def drawn_parts(text: str) -> str:
    """Check the value of `--draw`; what `typer.Option` calls."""
    wrong = [part for part in _parts(text) if part not in (*PARTS, NOTHING)]
    if wrong:
        raise typer.BadParameter(f"'{wrong[0]}' is none of {', '.join(PARTS)}, {NOTHING}")
    if NOTHING in _parts(text) and len(_parts(text)) > 1:
        raise typer.BadParameter(f"'{NOTHING}' stands alone, got '{text}'")
    return text


def drawer(text: str) -> Draw:
    """Draws one source's frames, in their order.

    Args:
        text: Checked by `drawn_parts`.
    """
    parts = _parts(text)
    trails = Trails() if "trails" in parts else None

    def draw(frame: NDArray[np.uint8], poses: Poses, timestamp_s: float) -> NDArray[np.uint8]:
        if trails is not None:
            trails.update(poses, timestamp_s)
        return poses.draw(
            frame,
            boxes="boxes" in parts,
            ids="ids" in parts,
            scores="scores" in parts,
            trails=trails,
        )

    return draw


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]
