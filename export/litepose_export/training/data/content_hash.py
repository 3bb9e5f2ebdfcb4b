"""Tells by their contents whether what a kept file was made of is still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.backends import bundled, files, sidecar
from litepose_export.training.core.photographs import Image
from litepose_export.training.data.people import People


def hash_photographs(images: Iterable[Image], models: Sequence[Path] = ()) -> str:
    """A hash of decoded photographs, and of the models that look at them.

    Where they lie does not count: a copy has the same hash.

    Args:
        images: `(H, W, 3)` uint8.
        models: Files, or names of bundled ones.

    Raises:
        ModelError: A model cannot be read.
    """
    return _hash(images, models)


def hash_people(people: People, models: Sequence[Path] = ()) -> str:
    """A hash of people's photographs, boxes and keypoints, and of the models that look at them.

    Args:
        people: Who.
        models: Files, or names of bundled ones.

    Raises:
        ModelError: A model cannot be read.
    """
    labels = (people.image_index, people.boxes_xyxy, people.keypoints)
    return _hash((*labels, *people.images), models)


def _hash(arrays: Iterable[NDArray[Any]], models: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    for model in models:
        for content in _contents(model):
            digest.update(f"model {len(content)}".encode())
            digest.update(content)
    return digest.hexdigest()


def _contents(model: Path) -> Iterable[bytes]:
    """A model's bytes: its file, its weights where they lie beside it, its sidecar."""
    path = bundled.find(str(model), "int8") if bundled.is_name(str(model)) else model
    read = files.read(path)
    yield from (read.content, read.weights or b"")
    beside = sidecar.path_of(path)
    yield beside.read_bytes() if beside.is_file() else b""
