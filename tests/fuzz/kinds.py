"""What a class of inputs is: how its inputs are made, how one is run, what is expected of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge import Poses
from litepose_edge.errors import LitePoseError


@dataclass(frozen=True, slots=True)
class Answer:
    """What the project made of an input that it took.

    Attributes:
        digest: The same for the same answer.
        complaint: What is wrong with it; None where nothing is.
    """

    digest: str
    complaint: str | None = None


@dataclass(frozen=True, slots=True)
class InputClass:
    """One class of inputs. Every input is bytes: a file's, or Python or JSON text.

    Attributes:
        suffix: Of the file that an input is written to.
        seeds: Makes the sound inputs; each must be taken.
        mutate: Makes an input from a random generator and the seeds.
        run: Gives a file with an input to the project.
        refused_by: Why another, strict reader refuses this content; None where it takes it.
        expected: What bad input may raise. Besides the project's own tree, built-in errors count
            only where the project itself raises them.
        time_limit_s: An input that takes longer is a hang.
    """

    suffix: str
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[np.random.Generator, list[bytes]], bytes]
    run: Callable[[Path], Answer]
    refused_by: Callable[[bytes], str | None] = lambda content: None
    expected: tuple[type[Exception], ...] = field(default=(LitePoseError,))
    time_limit_s: float = 10.0


def names() -> list[str]:
    """The classes there are: the modules of `inputs/`."""
    return sorted(path.stem for path in (Path(__file__).parent / "inputs").glob("[a-z]*.py"))


def load(name: str) -> InputClass:
    """The class of inputs that a module of `inputs/` describes, or one of a dotted name."""
    module = name if "." in name else f"tests.fuzz.inputs.{name}"
    described: InputClass = import_module(module).CLASS
    return described


def digest(*parts: object) -> str:
    """A checksum of arrays and of what `repr` tells apart."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            sha.update(f"{part.dtype} {part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        else:
            sha.update(repr(part).encode())
    return sha.hexdigest()


def answer_of(poses: Poses) -> Answer:
    """People as an answer, checked as the documentation promises them."""
    arrays = (poses.keypoints, poses.scores, poses.boxes_xyxy, poses.person_scores)
    return Answer(digest(*arrays), complaint_about(poses))


def complaint_about(poses: Poses) -> str | None:
    """What no result may be: a wrong dtype or shape, not finite, no score, no area."""
    people, joints = len(poses), len(poses.skeleton)
    wanted: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
        "keypoints": (poses.keypoints, (people, joints, 2)),
        "scores": (poses.scores, (people, joints)),
        "boxes_xyxy": (poses.boxes_xyxy, (people, 4)),
        "person_scores": (poses.person_scores, (people,)),
    }
    for name, (array, shape) in wanted.items():
        if array.dtype != np.float32 or array.shape != shape:
            return f"{name} are {array.dtype} {array.shape}, not float32 {shape}"
        if not np.isfinite(array).all():
            return f"{name} are not finite"
    for name in ("scores", "person_scores"):
        array = wanted[name][0]
        if ((array < 0) | (array > 1)).any():
            return f"{name} lie outside [0, 1]: {array.min():g} to {array.max():g}"
    boxes = poses.boxes_xyxy
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        return f"a box without area: {boxes.tolist()}"
    return None
