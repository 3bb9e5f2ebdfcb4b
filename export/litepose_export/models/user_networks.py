"""Networks of users: a module of theirs by its import path, and what its outputs are called."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from litepose_edge.geometry import Size
from litepose_export.errors import ExportError


def is_import_path(name: str) -> bool:
    """Whether a name is a callable's, such as `"my_package.nets:build"`, and not a catalogue's."""
    return ":" in name and not name.endswith(".json")


def build(path: str, keypoints: int, input_size: Size) -> nn.Module:
    """Call `my_package.nets:build` and take the network it returns.

    Args:
        path: The module, a colon and the callable's name.
        keypoints: Given to a callable that has a parameter `keypoints`.
        input_size: Given to a callable that has a parameter `input_size`.

    Raises:
        ExportError: There is no such module or callable, or it returns no `nn.Module`.
    """
    package, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(package)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as exc:
        raise ExportError(
            f"cannot import '{path}': {exc}; expected MODULE:CALLABLE, such as "
            "my_package.nets:build, importable from the current folder"
        ) from exc
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise ExportError(f"'{path}' is {type(found).__name__}, expected a callable")
    try:
        known = inspect.signature(found).parameters
    except ValueError:  # written in C: it does not say
        known = {}  # type: ignore[assignment]
    given = {"keypoints": keypoints, "input_size": input_size}
    arguments = {name: value for name, value in given.items() if name in known}
    try:
        network = found(**arguments)
    except TypeError as exc:
        raise ExportError(
            f"'{path}' cannot be called with ({', '.join(arguments)}): {exc}; it must need no "
            "argument but `keypoints` and `input_size`"
        ) from exc
    if not isinstance(network, nn.Module):
        raise ExportError(f"'{path}' returned {type(network).__name__}, expected a torch nn.Module")
    return network


@torch.no_grad()
def with_named_outputs(network: nn.Module, names: Sequence[str], example: Tensor) -> nn.Module:
    """The network, giving a tensor or a tuple: what a manifest reads, in its order.

    Args:
        network: Takes `(N, 3, H, W)`; gives a tensor, a sequence of them, or tensors by name.
        names: What the manifest reads.
        example: An input.

    Raises:
        ExportError: The network does not run, or its outputs are others.
    """
    try:
        found = network(example)
    except Exception as exc:
        # A network of a user's may raise anything.
        raise ExportError(
            f"the network does not take {tuple(example.shape)} float32, the input that its "
            f"manifest describes: {_first_line(exc)}"
        ) from exc
    wanted = ", ".join(names)
    keys: tuple[Any, ...]
    if isinstance(found, Mapping):
        if any(name not in found for name in names):
            raise ExportError(
                f"the network returns {', '.join(map(str, found))}; its manifest reads {wanted}"
            )
        keys = tuple(names)
        tensors = [found[name] for name in names]
    else:
        tensors = list(found) if isinstance(found, list | tuple) else [found]
        keys = tuple(range(len(tensors)))
        if len(tensors) != len(names):
            raise ExportError(
                f"the network returns {len(tensors)} outputs, its manifest reads {len(names)} "
                f"({wanted}): return those alone, or all of them by name in a dict"
            )
    for tensor in tensors:
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise ExportError(f"the network returns {kind}, expected tensors of floats")
    plain = found is tensors[0] or (type(found) is tuple and len(found) > 1)
    return network if plain else _ChosenOutputs(network, keys)


class _ChosenOutputs(nn.Module):
    """A network's outputs by key, as a tensor or a tuple."""

    def __init__(self, network: nn.Module, keys: tuple[Any, ...]) -> None:
        super().__init__()
        self.network = network
        self._keys = keys

    def forward(self, x: Tensor) -> Any:
        """The outputs as a tuple, or the only one."""
        found = self.network(x)
        chosen = tuple(found[key] for key in self._keys)
        return chosen if len(chosen) > 1 else chosen[0]


def _first_line(exc: BaseException) -> str:
    return (str(exc).splitlines() or [""])[0] or type(exc).__name__
