"""Boxes given with a frame: numbers of every size and kind, shapes, and what are no boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from litepose_edge import Poses
from litepose_edge.errors import InvalidBoxError
from tests.fuzz.expressions import NUMBERS, OBJECTS, pick, value_of
from tests.fuzz.inputs import frames
from tests.fuzz.kinds import Answer, InputClass, answer_of

WIDTH, HEIGHT = 96, 80
WRAPPERS = (
    "np.array({}, np.float32)", "np.array({}, np.float64)", "np.array({}, np.float16)",
    "np.array({}, np.int32)", "np.array({}, object)", "np.array({}, str)", "np.array({}, complex)",
    "np.ma.masked_array({}, True)", "np.ma.masked_invalid({})", "[{}]", "({},)", "np.array({}).T",
    "np.array({})[..., ::-1]", "np.array({})[:, :3]", "np.array({})[0]", "tuple(map(tuple, {}))",
    "iter({})", "str({})", "np.array({}, np.longdouble)", "np.array({})[:0]",
)  # fmt: skip
FRAME = np.arange(WIDTH * HEIGHT * 3, dtype=np.uint32).reshape(HEIGHT, WIDTH, 3).astype(np.uint8)


def seeds() -> list[bytes]:
    """Boxes inside the frame, across its edges, around it, few and many, and none."""
    texts = [
        "[[8, 8, 80, 72]]", "[[8.5, 9.25, 20.0, 30.0], [0, 0, 96, 80]]", "[[-40, -40, 200, 300]]",
        "np.array([[90, 70, 130, 140]], np.float32)", "np.zeros((0, 4))", "[]", "((1, 2, 3, 4),)",
        "[[i, i, i + 9, i + 9] for i in range(30)]", "np.array([[3, 4, 50, 60]], np.int16)",
        "np.array([[[3, 4, 50, 60]], [[1, 1, 9, 9]]])[:, 0]", "[[10, 10, 10.001, 10.001]]",
        "np.array([[60, 3, 4, 50]])[:, [2, 1, 0, 3]]",
    ]  # fmt: skip
    return [text.encode() for text in texts]


def mutate(rng: np.random.Generator, sound: list[bytes]) -> bytes:
    """Random boxes, odd numbers among them, in odd containers."""
    if rng.integers(10) == 0:
        return pick(rng, OBJECTS).encode()
    rows = [_row(rng) for _ in range(int(rng.choice([1, 1, 2, 5])))]
    text = f"[{', '.join(rows)}]"
    if rng.integers(3) == 0:
        wrapped = pick(rng, WRAPPERS).format(text)
        try:
            value_of(wrapped.encode())
        except Exception:  # noqa: BLE001 - these numbers have no such container
            return text.encode()
        return wrapped.encode()
    return text.encode()


def _row(rng: np.random.Generator) -> str:
    x, y = rng.uniform(-30, WIDTH, 2)
    width, height = 10 ** rng.uniform(-2, 3, 2)
    numbers = [f"{v:.3f}" for v in (x, y, x + width, y + height)]
    for _ in range(int(rng.choice([0, 0, 1, 1, 2, 4]))):
        numbers[int(rng.integers(len(numbers)))] = pick(rng, NUMBERS)
    if rng.integers(20) == 0:
        numbers = numbers[:3] if rng.integers(2) else [*numbers, "1"]
    return f"[{', '.join(numbers)}]"


def _plain(boxes: Any) -> np.ndarray | None:
    """Boxes as float64, where they are plain real numbers in lists or an array; else None."""
    if isinstance(boxes, np.ma.MaskedArray):
        return None
    try:
        array = np.array(boxes)
        plain = array.astype(np.float64) if array.dtype.kind in "iuf" else None
    except Exception:  # noqa: BLE001 - whatever it raises, they are not plain
        return None
    return plain if plain is not None and plain.ndim == 2 and plain.shape[1] == 4 else None


def _is_sound(boxes: np.ndarray) -> bool:
    return bool((np.abs(boxes) < 2000).all() and (boxes[:, 2:] - boxes[:, :2] > 1e-3).all()) and (
        bool((boxes[:, 2:] > 1).all() and (boxes[:, :2] < [WIDTH - 1, HEIGHT - 1]).all())
    )


def _is_bad(boxes: np.ndarray) -> bool:
    if not np.isfinite(boxes).all():
        return True
    inverted = boxes[:, 2:] <= boxes[:, :2]
    outside = (boxes[:, 2:] <= 0) | (boxes[:, :2] >= [WIDTH, HEIGHT])
    return bool((inverted | outside).any())


def run(path: Path) -> Answer:
    """Predict with them: exactly one person a box, in their order, or a refusal."""
    boxes = value_of(path.read_bytes())
    plain = None if hasattr(boxes, "__next__") else _plain(boxes)
    estimator = frames.estimator_in(path.parent)
    if boxes is None:
        return answer_of(estimator.predict(FRAME))
    try:
        poses = estimator.predict(FRAME, boxes_xyxy=boxes)
    except InvalidBoxError:
        if plain is not None and _is_sound(plain):
            return Answer("", f"sound boxes are refused: {plain.tolist()}")
        raise
    return _checked(poses, plain)


def _checked(poses: Poses, plain: np.ndarray | None) -> Answer:
    answer = answer_of(poses)
    if answer.complaint or plain is None:
        return answer
    if _is_bad(plain):
        return Answer("", f"bad boxes are taken: {plain.tolist()}")
    if not np.array_equal(poses.boxes_xyxy, plain.astype(np.float32)):
        return Answer("", "the boxes are not those given")
    return answer


CLASS = InputClass(".py", seeds, mutate, run)
