"""What every energy meter offers (start a window, stop it), and what a search for meters gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class MeterInfo:
    """What a meter's joules are joules of, and how far to trust them.

    Attributes:
        name: What it is chosen by, such as `"rapl:package-0"`.
        kind: `"measured"`, or `"modelled"` where a formula stands in for a meter.
        domain: What the meter covers and what it does not.
        resolution: Its steps in energy or power and in time.
        uncertainty: Its error as the maker states it, or that none is stated.
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
        """End the window; a missing reading raises nothing, `Energy.reason` tells it."""


@dataclass(frozen=True, slots=True)
class MissingMeter:
    """A kind of meter that cannot be used here.

    Attributes:
        kind: Such as `"rapl"`.
        reason: Why, and what would help.
    """

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class FoundMeters:
    """What a search for meters gave.

    Attributes:
        meters: Usable ones, the one that covers most of the machine first. Their domains may
            overlap: never add two of them.
        missing: What is not usable, each with its reason.
    """

    meters: tuple[EnergyMeter, ...] = ()
    missing: tuple[MissingMeter, ...] = ()

    def __add__(self, other: FoundMeters) -> FoundMeters:
        return FoundMeters(self.meters + other.meters, self.missing + other.missing)
