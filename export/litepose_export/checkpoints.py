"""Reads checkpoints without ever running code that may hide in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from litepose_edge.errors import ModelFileMissingError
from litepose_export.errors import CheckpointError


def read_checkpoint(path: Path, device: str = "cpu") -> Any:
    """What a checkpoint holds: tensors, numbers, and containers of them.

    Raises:
        ModelFileMissingError: There is no such file.
        CheckpointError: Damaged, no checkpoint, or holding pickled code, which is refused.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as exc:
        raise ModelFileMissingError(f"no checkpoint {path}") from exc
    except Exception as exc:
        # torch.load lets through whatever its parsers raise on damaged bytes.
        reason = (str(exc).splitlines() or [type(exc).__name__])[0]
        raise CheckpointError(
            f"cannot read checkpoint {path} (loaded with weights_only=True, which refuses "
            f"pickled code): {reason}"
        ) from exc
