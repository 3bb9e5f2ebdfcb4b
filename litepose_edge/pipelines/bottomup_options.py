"""What a bottom-up network can be told, apart from it: naming them loads no network code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from litepose_edge.options import real_number

# Beyond, maps have a few cells, or inputs need gigabytes.
MIN_SCALE, MAX_SCALE = 0.1, 8

Resize = Literal["published", "letterbox"]
NmsAt = Literal["stride2", "input"]


@dataclass(frozen=True, slots=True)
class BottomUpOptions:
    """How a bottom-up network sees images and is decoded.

    Attributes:
        resize: `"published"`: the short side becomes the network's, the long side follows,
            rounded up; `"letterbox"`: the image is fitted into the manifest's size. Files of
            one fixed size are always letterboxed.
        nms_at: Where peaks are searched: on the maps at `"stride2"` as they are, or, as
            published, on maps enlarged to the `"input"`, at four times the cost.
        adjust: Lean keypoints a quarter cell towards the higher neighbour.
        refine: Search missing keypoints once more where the tag fits the person.
        scales: Average the heatmaps of the image at these scales; needs a file of free size.

    Raises:
        ValueError: An option is none of the known ones.
    """

    resize: Resize = "published"
    nms_at: NmsAt = "stride2"
    adjust: bool = True
    refine: bool = True
    scales: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if self.resize not in ("published", "letterbox"):
            raise ValueError(f"resize must be 'published' or 'letterbox', got {self.resize!r}")
        if self.nms_at not in ("stride2", "input"):
            raise ValueError(f"nms_at must be 'stride2' or 'input', got {self.nms_at!r}")
        scales = self.scales if isinstance(self.scales, tuple | list) else ()
        if not scales or not all(_is_scale(scale) for scale in scales):
            raise ValueError(
                f"scales must be numbers from {MIN_SCALE} to {MAX_SCALE}, at least one, got "
                f"{self.scales!r}"
            )


def _is_scale(scale: object) -> bool:
    try:
        return real_number("scale", scale, MIN_SCALE, MAX_SCALE) > 0
    except ValueError:
        return False


USUAL = BottomUpOptions()
