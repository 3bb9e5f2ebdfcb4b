"""Reads safetensors files with their own library; an optional package."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor


def read(path: Path, device: str) -> dict[str, Tensor]:
    """Tensors by name."""
    if not path.exists():
        raise FileNotFoundError(path)
    return dict(load_file(path, device=device))
