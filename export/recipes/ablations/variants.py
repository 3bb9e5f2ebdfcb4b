"""The ablation study's networks and losses: variants that differ in one thing each."""

from __future__ import annotations

from dataclasses import dataclass, field

from litepose_edge.geometry import Size
from litepose_export.models.architectures.ablation import Parts

INPUT = Size(96, 128)


@dataclass(frozen=True, slots=True)
class Variant:
    """One run.

    Attributes:
        parts: The network.
        loss: One of the training toolkit's losses.
        teacher_share: Weight of the teacher's maps.
        part: Of the crops that the others see. Slow networks are compared among themselves.
        people: Part of the people to learn from.
    """

    parts: Parts = field(default_factory=Parts)
    loss: str = "rce"
    teacher_share: float = 0.4
    part: float = 1.0
    people: float = 1.0


DEPTHWISE = 0.4
VARIANTS: dict[str, Variant] = {
    "rce-8": Variant(),
    "mse-8": Variant(loss="mse"),
    "rce-residual-8": Variant(loss="rce-residual"),
    "rce-place-8": Variant(loss="rce-place"),
    "rce-16": Variant(Parts(stride=16)),
    "mse-16": Variant(Parts(stride=16), loss="mse"),
    "rce-4": Variant(Parts(stride=4)),
    "mse-4": Variant(Parts(stride=4), loss="mse"),
    "no-teacher": Variant(teacher_share=0.0),
    "rmpg": Variant(Parts(refinement=True)),
    "deconv": Variant(Parts(stride=4, head="deconv")),
    "fusion": Variant(Parts(stride=4, head="fusion")),
    "correction": Variant(Parts(stride=4, head="deconv", correction=True)),
    "half": Variant(people=0.5),
    "tenth": Variant(people=0.1),
    "dense": Variant(part=DEPTHWISE),
    "depthwise-3": Variant(Parts(kernel=3), part=DEPTHWISE),
    "depthwise-5": Variant(Parts(kernel=5), part=DEPTHWISE),
    "depthwise-7": Variant(Parts(kernel=7), part=DEPTHWISE),
}
