"""Frames: arrays of every dtype, shape and memory layout, and what is no frame at all."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from litepose_edge import Estimator
from litepose_edge.errors import InvalidImageError
from tests.fuzz import networks
from tests.fuzz.expressions import OBJECTS, pick, value_of
from tests.fuzz.kinds import Answer, InputClass, answer_of

MAX_PIXELS = 200_000
# Beyond this OpenCV's warp refuses an image.
LONGEST_SIDE = 32_766
BASE = "np.arange(96 * 80 * 3, dtype=np.uint32).reshape(80, 96, 3).astype(np.uint8)"
LAYOUTS = (
    "{}", "{}[::-1]", "{}[:, ::-1]", "{}[..., ::-1]", "{}[::2, ::3]", "{}[5:70, 3:90]",
    "np.asfortranarray({})", "{}.transpose(1, 0, 2)", "np.broadcast_to({}[:1], (80, 96, 3))",
    "np.lib.stride_tricks.as_strided({}, (10, 20, 3), (96, 1, 7))", "{}.view(np.ndarray)",
    "{}[:1]", "{}[:, :1]", "{}[:2, :2]",
)  # fmt: skip
WRONG = (
    "{}[..., 0]", "{}[None]", "{}[..., :1]", "{}[..., [0, 1, 2, 0]]", "{}[:0]", "{}[:, :0]",
    "{}[..., :0]", "{}.tolist()", "{}.ravel()", "{}.astype(object)", "np.ma.masked_array({}, True)",
    "[{}]", "({},)", "{}.tobytes()", "memoryview({})", "{}.transpose(2, 0, 1)",
)  # fmt: skip
DTYPES = ("int8", "uint16", "int32", "int64", "float16", "float32", "float64", "bool", "complex64")
SHAPES = (
    "(1, 1, 3)", "(1, 40000, 3)", "(40000, 1, 3)", "(3, 3, 3)", "(1, 70, 3)", "(600, 600, 3)",
    "(447, 447, 3)", "(2, 32766, 3)", "(32767, 2, 3)", "(33, 1, 3)", "(0, 0, 3)", "(3,)", "()",
)  # fmt: skip


def seeds() -> list[bytes]:
    """Frames of every memory layout."""
    return [layout.format(BASE).encode() for layout in LAYOUTS]


def mutate(rng: np.random.Generator, sound: list[bytes]) -> bytes:
    """One or two steps away from a frame."""
    match int(rng.integers(5)):
        case 0:
            text = pick(rng, OBJECTS)
        case 1:
            text = f"np.full({pick(rng, SHAPES)}, {int(rng.integers(256))}, np.uint8)"
        case 2:
            height, width = (int(2 ** rng.uniform(0, 9)) for _ in range(2))
            text = (
                f"np.random.default_rng({int(rng.integers(99))})"
                f".integers(0, 256, ({height}, {width}, 3), np.uint8)"
            )
        case 3:
            text = f"{pick(rng, LAYOUTS).format(BASE)}.astype(np.{pick(rng, DTYPES)})"
        case _:
            text = pick(rng, WRONG).format(pick(rng, LAYOUTS).format(BASE))
    if rng.integers(3) == 0 and "np" in text:
        # Not beyond the memory that it has.
        text = pick(rng, [layout for layout in LAYOUTS if "as_strided" not in layout]).format(
            f"({text})"
        )
        try:
            value_of(text.encode())
        except Exception:  # noqa: BLE001 - no such slice of that
            return BASE.encode()
    return text.encode()


@cache
def estimator_in(folder: Path) -> Estimator:
    """A small pose network, whose detector says that one person fills the frame."""
    model = folder / "net.onnx"
    manifest = networks.document(networks.topdown(heatmaps=networks.HEATMAPS))
    model.write_bytes(networks.with_manifest(networks.convolutions({"o": (17, 4)}), manifest))
    return Estimator(model, detector=whole_frame, threads=1, min_score=0.0, max_pixels=MAX_PIXELS)


def whole_frame(frame: np.ndarray) -> Any:
    """A detector that finds one person as large as the frame."""
    height, width = frame.shape[:2]
    return np.array([[0, 0, width, height]], np.float32)


def _is_sound(frame: Any) -> bool:
    return (
        type(frame) is np.ndarray
        and frame.dtype == np.uint8
        and frame.ndim == 3
        and frame.shape[2] == 3
        and 0 < frame.size <= MAX_PIXELS * 3
        and max(frame.shape[:2]) <= LONGEST_SIDE
    )


def run(path: Path) -> Answer:
    """Predict; a sound frame must be taken, one with other pixels in memory order is the same."""
    frame = value_of(path.read_bytes())
    estimator, sound = estimator_in(path.parent), _is_sound(frame)
    try:
        poses = estimator.predict(frame)
    except InvalidImageError:
        if sound:
            return Answer("", f"a sound frame {frame.shape} is refused")
        raise
    answer = answer_of(poses)
    if answer.complaint or not sound:
        return answer if isinstance(frame, np.ndarray) else Answer("", "taken, and is no array")
    if not frame.flags.c_contiguous and answer != answer_of(estimator.predict(frame.copy("C"))):
        return Answer("", "another answer for a contiguous copy")
    return answer


CLASS = InputClass(".py", seeds, mutate, run)
