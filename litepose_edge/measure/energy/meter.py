"""The seam between an energy measurement and whatever measures: start, then stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class MeterInfo:
    """What a meter's joules are joules of, and how far to trust them.

    Attributes:
        name: What it is chosen by, such as `"rapl:package-0"`.
        kind: `"measured"`, or `"modelled"` where a formula stands in for a meter.
        domain: What is behind the meter and what is not.
        resolution: Its steps in energy or power and in time.
        uncertainty: What its maker, or nobody, says about its error.
    """

    name: str
    kind: Literal["measured", "modelled"]
    domain: str
    resolution: str
    uncertainty: str


@dataclass(frozen=True, slots=True)
class Energy:
    """What went through a meter from `start` to `stop`.

    Attributes:
        joules: None where the window could not be measured.
        seconds: Length of the window.
        reason: Why there are no joules; None where there are.
    """

    joules: float | None
    seconds: float
    reason: str | None = None


class EnergyMeter(Protocol):
    """Something that counts joules. One window at a time."""

    @property
    def about(self) -> MeterInfo:
        """What it measures and how well."""

    def start(self) -> None:
        """Begin a window."""

    def stop(self) -> Energy:
        """End the window; never raises for want of a reading, `Energy.reason` says it."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A kind of meter that cannot be used here.

    Attributes:
        kind: Such as `"rapl"`.
        reason: Why, and what would help.
    """

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search for meters gave.

    Attributes:
        meters: Usable ones, the one that covers most of the machine first. Their domains may
            overlap: never add two of them.
        missing: What is not usable, each with its reason.
    """

    meters: tuple[EnergyMeter, ...] = ()
    missing: tuple[Missing, ...] = ()

    def __add__(self, other: Found) -> Found:
        return Found(self.meters + other.meters, self.missing + other.missing)
