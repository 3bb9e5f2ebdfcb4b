"""Writes checkpoints and logs of training: whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from litepose_edge.atomic_files import write_file


def write_checkpoint(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint: a reader sees the old one or the new one.

    Raises:
        OutputError: The place cannot be written; the old one stays.
    """
    # In memory first: PyTorch's own writer tells a full disk by errors of many kinds.
    content = io.BytesIO()
    torch.save(dict(state), content)
    write_file(path, content.getbuffer(), make_folder=False)


def append_row(path: Path, columns: Sequence[str], row: Mapping[str, float]) -> None:
    """Append a row to a log, with the columns' names where it begins.

    A log that an older version began keeps its columns.

    Raises:
        OutputError: The place cannot be written; the rows until then stay.
    """
    text = io.StringIO(newline="")
    before = path.read_bytes() if path.exists() else b""
    if before:
        columns = next(csv.reader(io.StringIO(before.decode(), newline="")))
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    if not before:
        writer.writeheader()
    writer.writerow(row)
    write_file(path, before + text.getvalue().encode(), make_folder=False)
