"""Reads checkpoints without ever running code that may hide in them, and fits them to networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from litepose_edge.errors import ModelFileMissingError
from litepose_export.errors import CheckpointError

State = Mapping[str, Tensor]
# What wraps the weights: our training checkpoints, those of others.
WRAPPERS = ("average", "state_dict", "model", "network")
# What data parallelism and half-precision wrappers put before every key.
PREFIXES = ("module.", "1.")
SHOWN_KEYS = 8


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


def read_state(path: Path) -> dict[str, Tensor]:
    """A checkpoint's weights by their bare names.

    Takes a bare state dict or one inside a training checkpoint, and drops the prefixes that
    data parallelism and half-precision wrappers leave.

    Raises:
        ModelFileMissingError: There is no such file.
        CheckpointError: It cannot be read, or holds no weights.
    """
    content = read_checkpoint(path)
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path} holds no weights: expected tensors by name")
    others = [key for key, value in content.items() if not isinstance(value, Tensor)]
    if others:
        raise CheckpointError(f"{path} holds no weights: {_some(map(str, others))} are no tensors")
    state = {str(key): tensor for key, tensor in content.items()}
    stripped = True
    while stripped:
        stripped = False
        for prefix in PREFIXES:
            if all(key.startswith(prefix) for key in state):
                state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
                stripped = True
    return state


def read_metadata(path: Path) -> Mapping[str, str]:
    """What a training run stored beside its weights; nothing in checkpoints of others."""
    content = read_checkpoint(path)
    if not isinstance(content, Mapping):
        return {}
    metadata = content.get("metadata", content.get("notes"))  # the name in older checkpoints
    return metadata if isinstance(metadata, Mapping) else {}


def fit(network: nn.Module, state: State, path: Path) -> None:
    """Load weights into a network; every key must be there once and have the right shape.

    Counters of batches, which old checkpoints lack, may be missing.

    Raises:
        CheckpointError: Keys are missing, unexpected or misshapen; the message lists them.
    """
    own = network.state_dict()
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in state if k not in own]
    misshapen = [
        f"{k} {tuple(state[k].shape)} instead of {tuple(own[k].shape)}"
        for k in own
        if k in state and state[k].shape != own[k].shape
    ]
    faults = [
        f"{len(keys)} {what}: {_some(keys)}"
        for what, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", misshapen),
        )
        if keys
    ]
    if faults:
        raise CheckpointError(f"{path} does not fit the network; keys " + "; ".join(faults))
    network.load_state_dict({**own, **state})


def _some(keys: Any) -> str:
    listed = list(keys)
    more = f" and {len(listed) - SHOWN_KEYS} more" if len(listed) > SHOWN_KEYS else ""
    return ", ".join(listed[:SHOWN_KEYS]) + more
