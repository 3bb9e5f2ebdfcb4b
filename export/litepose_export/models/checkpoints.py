"""Reads checkpoints without ever running code that may hide in them, and fits them to networks."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from litepose_edge.atomic_files import check_file
from litepose_edge.errors import BackendUnavailableError, ModelFileMissingError, install_hint
from litepose_export.errors import CheckpointError
from litepose_export.models.old_checkpoints import check_storages

State = Mapping[str, Tensor]
# What trainers keep weights under, the smoothed ones first: those are what their figures are of.
WRAPPERS = (
    "average", "ema", "model_ema", "ema_model", "ema_state_dict", "state_dict_ema", "params_ema",
    "state_dict", "model_state_dict", "model", "network", "net", "module", "params", "weights",
)  # fmt: skip
# What wrappers put before every key: data parallelism, torch.compile, Lightning, averaging.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "ema.", "ema_model.", "1.")
# What averaging counts, beside the weights.
COUNTERS = ("n_averaged", "num_updates", "decay")
DEPTH = 4
SHOWN_KEYS = 8
ARCHIVE, CHUNK_BYTES = b"PK\3\4", 2**20
DOS_FOLDER = 0x10  # among an archive member's attributes
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Where in a checkpoint a network's weights were.

    Attributes:
        within: Keys of the containers around them, such as `"model_ema"`; empty for bare ones.
        prefix: What stood before every key, such as `"module."`.
        ignored: Keys of the checkpoint that the network does not have.
    """

    within: str = ""
    prefix: str = ""
    ignored: tuple[str, ...] = ()


def read_checkpoint(path: Path, device: str = "cpu") -> Any:
    """What a checkpoint holds: tensors, numbers, and containers of them.

    Raises:
        ModelFileMissingError: There is no such file.
        CheckpointError: Damaged, no checkpoint, or holding pickled code, which is refused.
        BackendUnavailableError: It is a safetensors file, and their library is not installed.
    """
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path, device)
        check_file(path)
        archive = _check_archive(path)
        content = torch.load(path, map_location=device, weights_only=True)
        if not archive:
            check_storages(path)
        return content
    except FileNotFoundError as exc:
        raise ModelFileMissingError(f"no checkpoint {path}") from exc
    except BackendUnavailableError:
        raise
    except Exception as exc:
        # torch.load lets through whatever its parsers raise on damaged bytes.
        reason = (str(exc).splitlines() or [type(exc).__name__])[0]
        raise CheckpointError(
            f"cannot read checkpoint {path} (loaded with weights_only=True, which refuses "
            f"pickled code): {reason}"
        ) from exc


def _check_archive(path: Path) -> bool:
    """Compare the checksums of a zip archive's members, which torch does not.

    An archive without any checksum was saved so on request. Of a member that is marked as a folder,
    or as packed into nothing, torch reads nothing and leaves its tensor as memory was.

    Returns:
        Whether it is an archive; old checkpoints are none.

    Raises:
        ValueError: A member is damaged; readers of archives raise others of damaged directories.
    """
    with path.open("rb") as file:
        if file.read(len(ARCHIVE)) != ARCHIVE:
            return False
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        checked = any(member.CRC for member in members)
        for member in members:
            unread = member.external_attr & DOS_FOLDER or not member.compress_size
            if unread and member.file_size:
                raise ValueError(f"its member {member.filename} cannot be read")
            if checked:
                with archive.open(member) as file:
                    while file.read(CHUNK_BYTES):
                        pass
    return True


def _read_safetensors(path: Path, device: str) -> Any:
    try:
        from litepose_export.models import safetensors_file
    except ImportError as exc:
        raise BackendUnavailableError(
            f"safetensors is not installed, and {path} needs it. {install_hint('safetensors')}"
        ) from exc
    check_file(path)
    return safetensors_file.read(path, device)


def read_state(path: Path) -> dict[str, Tensor]:
    """A checkpoint's weights by their bare names.

    Takes a bare state dict or one inside a training checkpoint, and drops the prefixes that
    wrappers leave before every key.

    Raises:
        ModelFileMissingError: There is no such file.
        CheckpointError: It cannot be read, or holds no weights.
    """
    _, state = next(_states(read_checkpoint(path), path))
    while len(prefixes := {_prefix(key) for key in state}) == 1 and (prefix := prefixes.pop()):
        state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    return state


def load(network: nn.Module, path: Path) -> Fitted:
    """Load the weights that fit a network, wherever in a checkpoint they are.

    Raises:
        ModelFileMissingError: There is no such file.
        CheckpointError: It cannot be read, or none of its weights fit the network; the message
            is about those that come nearest.
    """
    own = network.state_dict()
    best: tuple[int, str, str, dict[str, Tensor]] | None = None
    for within, state in _states(read_checkpoint(path), path):
        prefix = _fitting_prefix(own, state)
        found = {
            key.removeprefix(prefix): tensor
            for key, tensor in state.items()
            if key.startswith(prefix)
        }
        hits = sum(key in own and found[key].shape == own[key].shape for key in found)
        if best is None or hits > best[0]:
            best = (hits, within, prefix, found)
    assert best is not None
    _, within, prefix, found = best
    ignored = tuple(sorted(set(found) - set(own)))
    if prefix:  # beside a prefix stand losses and the like; without one, keys are of the network
        found = {key: tensor for key, tensor in found.items() if key in own}
    fit(network, found, path)
    return Fitted(within, prefix, ignored)


def _states(content: Any, path: Path) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Everything in a checkpoint that may be weights, the likeliest first."""
    found = sorted(_find(content, "", DEPTH), key=lambda state: _rank(state[0]))
    if not found:
        if not isinstance(content, Mapping) or not content:
            raise CheckpointError(f"{path} holds no weights: expected tensors by name")
        others = [key for key, value in content.items() if not isinstance(value, Tensor)]
        raise CheckpointError(f"{path} holds no weights: {_some(map(str, others))} are no tensors")
    yield from found


def _find(content: Any, within: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    if not isinstance(content, Mapping) or not depth:
        return
    bare = {str(k): v for k, v in content.items() if k not in COUNTERS}
    if bare and all(isinstance(value, Tensor) for value in bare.values()):
        yield within, bare
        return
    for key, value in content.items():
        if key != "optimizer":
            yield from _find(value, f"{within}.{key}" if within else str(key), depth - 1)


def _rank(within: str) -> tuple[int, ...]:
    known = [WRAPPERS.index(k) if k in WRAPPERS else len(WRAPPERS) for k in within.split(".")]
    return tuple(known) if within else ()


def _prefix(key: str) -> str:
    return next((prefix for prefix in PREFIXES if key.startswith(prefix)), "")


def _fitting_prefix(own: State, state: State) -> str:
    """What stands before the network's keys in a state; the shortest, where several fit."""
    first = next(iter(own), "")
    ends = [key.removesuffix(first) for key in state if key.endswith(first)]
    candidates = sorted({"", *ends}, key=len)
    return max(candidates, key=lambda prefix: sum(prefix + key in state for key in own))


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
        CheckpointError: Keys are missing, unexpected or misshapen, or tensors are no finite
            floats; the message lists them.
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
    odd = [f"{k} ({fault})" for k in own if k in state and (fault := _fault(state[k], own[k]))]
    if odd:
        raise CheckpointError(
            f"{path} holds tensors that are no plain, finite numbers: {_some(odd)}; "
            "save the network's state_dict() in float32 or float16"
        )
    network.load_state_dict({**own, **state})


def _fault(tensor: Tensor, own: Tensor) -> str:
    """What keeps a tensor from being weights."""
    if tensor.is_meta:
        return "on the meta device, without values"
    if tensor.is_quantized:
        return "quantized"
    if tensor.layout != torch.strided:
        return "sparse"
    if not own.is_floating_point():
        counts = not (tensor.is_floating_point() or tensor.is_complex())
        return "" if counts else str(tensor.dtype).removeprefix("torch.")
    if tensor.dtype not in FLOATS:
        return str(tensor.dtype).removeprefix("torch.")
    return "" if bool(torch.isfinite(tensor).all()) else "NaN or infinite"


def _some(keys: Any) -> str:
    listed = list(keys)
    more = f" and {len(listed) - SHOWN_KEYS} more" if len(listed) > SHOWN_KEYS else ""
    return ", ".join(listed[:SHOWN_KEYS]) + more
