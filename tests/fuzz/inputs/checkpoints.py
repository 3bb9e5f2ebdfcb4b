"""PyTorch checkpoints: damaged archives, odd containers, tensors that are no weights."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from litepose_export.models.checkpoints import fit, read_state
from tests.fuzz.kinds import Answer, InputClass, digest
from tests.fuzz.mutations import mutate_bytes

torch.set_num_threads(1)


def _network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))


@cache
def _state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return dict(_network().state_dict())


def _file(content: Any, **options: Any) -> bytes:
    memory = io.BytesIO()
    torch.save(content, memory, **options)
    return memory.getvalue()


@cache
def _seeds() -> list[bytes]:
    state = _state()
    return [
        _file(state),
        _file({"state_dict": state, "epoch": 3}),
        _file({"module." + key: value for key, value in state.items()}),
        _file(state, _use_new_zipfile_serialization=False),
    ]


def seeds() -> list[bytes]:
    """As trainers write them: bare, wrapped, of data parallelism, of old PyTorch."""
    return _seeds()


_TENSORS: tuple[Callable[[Tensor], Any], ...] = (
    lambda t: t * float("nan"), lambda t: t.int(), lambda t: t.bool(), lambda t: t.to_sparse(),
    lambda t: t.to(torch.complex64), lambda t: t.half(), lambda t: t.double(), lambda t: t[None],
    lambda t: t.to("meta"), lambda t: t.tolist(), lambda t: None, lambda t: t.expand(2, *t.shape),
    lambda t: torch.quantize_per_tensor(t.float(), 0.1, 0, torch.qint8), lambda t: t * 1e39,
    lambda t: t.reshape(-1), lambda t: t.reshape(-1)[:0], lambda t: nn.Parameter(t.float()), str,
)  # fmt: skip
_CONTAINERS: tuple[Callable[[dict[str, Any]], Any], ...] = (
    lambda s: {"model": {"network": s}}, lambda s: list(s.values()), lambda s: [s], lambda s: None,
    lambda s: {}, lambda s: {"state_dict": {}}, lambda s: {"state_dict": None}, lambda s: {1: s},
    lambda s: {**s, "lr": 0.1}, lambda s: {i: v for i, v in enumerate(s.values())},
    lambda s: dict(list(s.items())[1:]), lambda s: {"module.module." + k: v for k, v in s.items()},
    lambda s: {**s, "extra.weight": torch.zeros(2)}, lambda s: torch.zeros(3), lambda s: "weights",
)  # fmt: skip


def mutate(rng: np.random.Generator, sound: list[bytes]) -> bytes:
    """Bytes, one tensor, or what the tensors are in."""
    if rng.integers(2):
        return mutate_bytes(rng, sound[int(rng.integers(len(sound)))], sound)
    state: dict[str, Any] = dict(_state())
    if rng.integers(2):
        key = str(rng.choice(list(state)))
        state[key] = _TENSORS[int(rng.integers(len(_TENSORS)))](state[key])
        return _file(state)
    return _file(_CONTAINERS[int(rng.integers(len(_CONTAINERS)))](state))


def run(path: Path) -> Answer:
    """Read the weights and load them into the network."""
    network = _network()
    fit(network, read_state(path), path)
    network.eval()
    arrays = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
    for key, array in arrays.items():
        if not np.isfinite(array).all():
            return Answer("", f"{key} is not finite")
    return Answer(digest(*arrays.values()))


def refused_by(content: bytes) -> str | None:
    """What a reader of archives says, which looks at the checksums; old files are no archives."""
    if not content.startswith(b"PK"):
        return None
    try:
        damaged = zipfile.ZipFile(io.BytesIO(content)).testzip()
    except Exception as exc:  # noqa: BLE001 - whatever it raises, it refuses
        return f"zipfile: {exc}"
    return None if damaged is None else f"zipfile: the checksum of {damaged} is wrong"


CLASS = InputClass(".pt", seeds, mutate, run, refused_by)
