"""What the manifest's structs share: strictness, number ranges, named choices."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Activation = Literal["linear", "sigmoid"]
Alignment = Literal["centre", "corner", "udp"]
Refinement = Literal["dark", "dark-udp", "quarter", "argmax", "expected-oks"]
Positive = Annotated[int, Meta(gt=0)]
Unit = Annotated[float, Meta(ge=0, le=1)]
Triple = tuple[float, float, float]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Typed and strict: an unknown field is a typo or a newer file, both worth an error."""
