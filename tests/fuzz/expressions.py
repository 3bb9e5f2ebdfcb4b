"""Inputs that are no files: Python expressions, kept as text so that a finding can be read."""

from __future__ import annotations

from typing import Any

import numpy as np

NAMES: dict[str, Any] = {"np": np, "nan": float("nan"), "inf": float("inf")}
NUMBERS = (
    "0", "1", "-1", "0.5", "-0.0", "7", "32", "64", "96", "80", "95.5", "255", "1e4", "-1e4", "1e9",
    "1e30", "1e39", "-1e39", "1e308", "1e-30", "1e-45", "nan", "inf", "-inf", "2**31", "2**63",
    "10**40", "True", "None", "'5'", "'x'", "1j", "[1]", "np.float16(3)", "np.int8(-3)",
)  # fmt: skip
# Nothing that is a frame, boxes or a number.
OBJECTS = (
    "None", "True", "0", "-1", "1.5", "nan", "'x'", "b'x'", "''", "[]", "()", "{}", "{1}",
    "object()", "range(4)", "[[]]", "[None]", "['a']", "[[1, 2], [3]]", "np.array(None)",
    "np.array('x')", "np.zeros(0)", "np.float32(1)", "iter([1])", "lambda: 1", "int", "np",
    "Ellipsis", "1j", "np.zeros((2, 2), 'M8[s]')", "np.zeros((1, 4), [('a', 'f4')])",
)  # fmt: skip


def value_of(content: bytes) -> Any:
    """What an input's text stands for; the text is this fuzzer's own."""
    return eval(content.decode(), dict(NAMES))


def pick(rng: np.random.Generator, choices: tuple[str, ...] | list[str]) -> str:
    """One of some texts."""
    return choices[int(rng.integers(len(choices)))]
