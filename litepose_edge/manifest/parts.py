"""What the manifest's structs share: strictness, number ranges, named choices.

Their modules do without postponed annotations: msgspec would have to compile each one, 1.5 ms at
every start.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Activation = Literal["linear", "sigmoid"]
Alignment = Literal["centre", "corner", "udp"]
Refinement = Literal["dark", "dark-udp", "quarter", "argmax", "expected-oks"]
# Bounds far beyond what networks have, so that no file asks for memory or time without end.
MAX_SIDE = 4096
Side = Annotated[int, Meta(ge=1, le=MAX_SIDE)]
Window = Annotated[int, Meta(ge=1, le=99)]
Stride = Annotated[int, Meta(ge=1, le=1024)]
Mean = Annotated[float, Meta(ge=-1e4, le=1e4)]
Deviation = Annotated[float, Meta(ge=1e-4, le=1e4)]
Means = tuple[Mean, Mean, Mean]
Deviations = tuple[Deviation, Deviation, Deviation]
Level = Annotated[int, Meta(ge=0, le=255)]
Unit = Annotated[float, Meta(ge=0, le=1)]
Triple = tuple[float, float, float]

# Conventions that most networks share; a manifest always states what its own network wants.
# ImageNet's channel statistics, RGB, of values from 0 to 255.
IMAGENET_MEAN: Triple = (123.675, 116.28, 103.53)
IMAGENET_STD: Triple = (58.395, 57.12, 57.375)
# Factor by which a person's box grows before it is cropped (SimpleBaseline, arXiv 1804.06208).
BOX_PADDING = 1.25
# A keypoint of at least this score is visible, of files that do not say.
MIN_KEYPOINT_SCORE = 0.3


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Typed and strict: an unknown field is a typo or a newer file, both worth an error."""
