"""Options as callers give them: numbers that are numbers, within their bounds."""

from __future__ import annotations

import math
from numbers import Integral, Real


def whole_number(name: str, value: object, least: int, most: int | None = None) -> int:
    """A count or a size; NumPy's integers are taken, True and 2.0 are not.

    Raises:
        ValueError: It is none, or out of bounds.
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number, got {value!r:.100}")
    number = int(value)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    if most is not None and number > most:
        raise ValueError(f"{name} must be at most {most}, got {number}")
    return number


def real_number(name: str, value: object, least: float, most: float = math.inf) -> float:
    """A threshold, a time or a factor; NaN is none.

    Raises:
        ValueError: It is none, or out of bounds.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise ValueError(f"{name} must be a number, got {value!r:.100}")
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond every float
        number = -math.inf if value < 0 else math.inf
    if not least <= number <= most:
        bounds = f"lie in [{least:g}, {most:g}]" if most < math.inf else f"be at least {least:g}"
        raise ValueError(f"{name} must {bounds}, got {number}")
    return number


def pixel_limit(value: int) -> int:
    """A largest number of pixels.

    NaN, which a limit that is computed may become, is kept: no frame is within it, so that all
    are refused with a reason. It must not switch the limit off.

    Raises:
        ValueError: It is no whole number above 0.
    """
    if isinstance(value, float) and math.isnan(value):
        return value
    return whole_number("max_pixels", value, 1)
