"""Reads NumPy archives: shards that have travelled, and what runs keep in their folders."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.atomic_files import check_file
from litepose_export.errors import ExportError

MADE_AGAIN = "remove it, and it is made again"  # of what a run keeps
# What NumPy and zipfile let through of damaged bytes.
DAMAGED = (
    *(OSError, ValueError, EOFError, KeyError, SyntaxError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


def read_arrays(path: Path, names: Sequence[str], remedy: str) -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz` file.

    Args:
        path: The file.
        names: Arrays that must be in it.
        remedy: What to do where it cannot be read, for the error.

    Raises:
        ExportError: It is not there, is damaged, or lacks one of these arrays.
    """
    try:
        check_file(path)
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # before NumPy looks at what may be anything
        if damaged is not None:
            raise ValueError(f"its array {damaged} is damaged")
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except DAMAGED as exc:
        raise ExportError(
            f"cannot read {path} ({str(exc) or type(exc).__name__}): {remedy}"
        ) from exc
    missing = [name for name in names if name not in arrays]
    if missing:
        raise ExportError(f"{path} holds no {', '.join(missing)}: {remedy}")
    return arrays
