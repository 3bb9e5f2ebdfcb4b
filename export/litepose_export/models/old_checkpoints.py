"""Checkpoints of PyTorch before 1.6, no archives: whether the values of all tensors are there."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import IO, Any

# What stands before the content: a magic number, the protocol, the machine.
PREAMBLE = 3


def check_storages(path: Path) -> None:
    """Whether the file holds the values of every tensor; PyTorch leaves others as memory was.

    For a file that `torch.load` has read with `weights_only=True`.

    Raises:
        ValueError: The values of a tensor are not there, or there twice.
    """
    with path.open("rb") as file:
        for _ in range(PREAMBLE):
            _Reader(file).load()
        content = _Reader(file)
        content.load()
        listed = _Reader(file).load()
    if not isinstance(listed, list) or sorted(map(str, listed)) != sorted(content.wanted):
        raise ValueError("the values of some tensors are not in the file")


class _Inert:
    """Stands for every class and function that a pickle names: takes all, does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Nothing."""

    def extend(self, items: Any) -> None:
        """Nothing."""

    def add(self, item: Any) -> None:
        """Nothing."""


class _Reader(pickle.Unpickler):
    """Walks a pickle without running anything that it names.

    Attributes:
        wanted: Keys of the values that its tensors refer to.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="utf-8", errors="replace")
        self.wanted: set[str] = set()

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        return _Inert

    def persistent_load(self, pid: Any, /) -> Any:
        # ("storage", type, key, device, elements, part of another)
        self.wanted.add(str(pid[2]))
        return _Inert()
