"""What the runtime needs of an inference engine: a batch in, named arrays out."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakSet

from numpy.typing import NDArray

_open_sessions: WeakSet[Any] = WeakSet()


def outlive_forks(session: Any) -> None:
    """Never free this session in a fork of its process.

    An engine that is freed waits for its threads, which a fork does not have: the fork would hang
    when it ends.
    """
    _open_sessions.add(session)


def _keep_for_ever() -> None:
    for session in list(_open_sessions):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_for_ever)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A network input, resolved when the session is opened."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str

    def has_free_size(self, *, channels_last: bool) -> bool:
        """Whether the graph leaves height and width open."""
        height, width = self.shape[1:3] if channels_last else self.shape[2:4]
        return not isinstance(height, int) and not isinstance(width, int)


class Session(Protocol):
    """A loaded network. Batch in, named arrays out."""

    @property
    def input(self) -> TensorSpec:
        """Name, shape and dtype of the one input."""

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Outputs by name; safe to call from several threads."""

    def close(self) -> None:
        """Free the network; closing twice is fine."""
