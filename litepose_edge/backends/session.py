"""The seam between the runtime and an inference engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A network input, resolved when the session is opened."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str


class Session(Protocol):
    """A loaded network. Batch in, named arrays out."""

    @property
    def input(self) -> TensorSpec:
        """Name, shape and dtype of the one input."""

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Outputs by name; safe to call from several threads."""

    def close(self) -> None:
        """Free the network; closing twice is fine."""
