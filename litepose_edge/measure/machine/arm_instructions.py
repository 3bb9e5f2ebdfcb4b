"""What INT8 saves on ARM processors, in instructions of a network: docs/arm-instructions.md."""

from __future__ import annotations

# INT8's instructions, part of FP32's, with 8-bit dot products (Cortex-A76) and without (A72).
INT8_OF_FP32 = {
    "lrpose-m": (0.32, 0.84),
    "lrpose-n": (0.35, 0.78),
    "lrpose-s": (0.32, 0.82),
    "persondet": (0.33, 0.82),
}
WITH, WITHOUT = "dot products (Raspberry Pi 5)", "them (Raspberry Pi 4)"


def int8_of_fp32(name: str, *, dot_products: bool) -> float | None:
    """INT8's instructions on ARM, part of FP32's; None for networks that were not counted."""
    counted = INT8_OF_FP32.get(name)
    return None if counted is None else counted[0 if dot_products else 1]


def describe_saving(name: str) -> str | None:
    """A sentence for people; None for networks that were not counted."""
    if name not in INT8_OF_FP32:
        return None
    fast, slow = INT8_OF_FP32[name]
    return (
        f"runs as S8S8 with {fast:.2f} of FP32's instructions on processors with {WITH}, "
        f"{slow:.2f} without {WITHOUT}"
    )
