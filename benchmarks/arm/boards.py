"""The processors that are counted on, and boards that have such."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor of the emulator.

    Attributes:
        name: What tables call it.
        option: What the emulator is told.
        has: Of the instructions that INT8 kernels use.
        boards: Boards that have it, or one that runs the same kernels.
    """

    name: str
    option: str
    has: str
    boards: str


PROCESSORS = (
    Processor(
        "Cortex-A53",
        "cortex-a53",
        "no dot products",
        "Raspberry Pi 3 and Zero 2 W, Rockchip RK3328",
    ),
    Processor(
        "Cortex-A72",
        "cortex-a72",
        "no dot products",
        "Raspberry Pi 4, Rockchip RK3399; Jetson Nano and TX2 (A57) run the same kernels",
    ),
    Processor(
        "Cortex-A76",
        "cortex-a76",
        "dot products",
        "Raspberry Pi 5, Rockchip RK3588; RK3566 and RK3568 (A55), Jetson Xavier (Carmel) and "
        "Orin (A78AE) run the same kernels",
    ),
    Processor(
        "Neoverse N1",
        "neoverse-n1",
        "dot products",
        "AWS Graviton 2, Ampere Altra",
    ),
    Processor(
        "Armv8.6",
        "max,sve=off,sme=off",
        "dot and 8-bit matrix products",
        "Cortex-A510, A710, X2 and newer; AWS Graviton 3; Apple M2",
    ),
)
