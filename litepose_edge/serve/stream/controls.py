"""What viewers may change while the stream runs, and the check of what they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from litepose_edge.errors import LitePoseError

MOST_DETECT_EVERY = 1000


class ControlError(LitePoseError, ValueError):
    """A control that does not exist, or a value that it cannot have."""


@dataclass(frozen=True, slots=True)
class Controls:
    """The controls of a stream.

    Attributes:
        paused: Whether the stream stands still.
        min_score: People of lower confidence are not reported.
        detect_every: The detector runs on every so many frames.
        model: Name of the pose network.
        mirror: Whether viewers show the picture mirrored; coordinates stay as they are.
    """

    paused: bool = False
    min_score: float = 0.3
    detect_every: int = 10
    model: str = "lrpose-s"
    mirror: bool = False

    def changed(self, wishes: object, models: Sequence[str]) -> Controls:
        """These controls with some of them changed.

        Args:
            wishes: What a client sent: an object of controls and values.
            models: Names that `model` may have.

        Raises:
            ControlError: It is no such object; the message says what was expected.
        """
        if not isinstance(wishes, Mapping):
            raise ControlError(
                f"expected a JSON object of controls, got {type(wishes).__name__}: "
                'send for instance {"paused": true}'
            )
        known = [field.name for field in fields(self)]
        for name in wishes:
            if name not in known:
                raise ControlError(
                    f"there is no control {str(name)[:40]!r}: there are {', '.join(known)}"
                )
        checked = {name: _checked(name, value, models) for name, value in wishes.items()}
        return replace(self, **checked)

    def document(self) -> dict[str, Any]:
        """The controls as plain values."""
        return asdict(self)


def _checked(name: str, value: object, models: Sequence[str]) -> Any:
    match name:
        case "paused" | "mirror":
            if not isinstance(value, bool):
                raise ControlError(f"{name} is true or false, got {_said(value)}")
        case "min_score":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            # This way round, NaN is refused.
            if not (number and 0 <= value <= 1):  # type: ignore[operator]
                raise ControlError(f"min_score is a number from 0 to 1, got {_said(value)}")
            return float(value)  # type: ignore[arg-type]
        case "detect_every":
            # 2.0 is a whole number to JSON.
            number = isinstance(value, int | float) and not isinstance(value, bool)
            within = number and 1 <= value <= MOST_DETECT_EVERY  # type: ignore[operator]
            if not (within and value == int(value)):  # type: ignore[call-overload]
                raise ControlError(
                    f"detect_every is a whole number from 1 to {MOST_DETECT_EVERY}, "
                    f"got {_said(value)}"
                )
            return int(value)  # type: ignore[call-overload]
        case _:
            if value not in models:
                raise ControlError(f"model is one of {', '.join(models)}, got {_said(value)}")
    return value


def _said(value: object) -> str:
    return f"{value!r:.60}"
