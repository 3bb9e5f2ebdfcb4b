"""What a search space is: choices, the networks they make, and the operators these consist of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from litepose_edge.geometry import Size
from litepose_export.errors import SearchError

# Of a candidate, the number of the option taken at each choice.
Genes = tuple[int, ...]
Value = int | float | str
Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision of a space.

    Attributes:
        name: Unique within the space, such as `"stage_16.blocks"`.
        options: What can be taken, in order of cost where there is one.
    """

    name: str
    options: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.options or len(set(self.options)) < len(self.options):
            raise ValueError(f"'{self.name}' needs options, each of them once: {self.options}")


@dataclass(frozen=True, slots=True)
class Operator:
    """A part of a network at one place, as the cost table knows it.

    Attributes:
        kind: What it computes, channels and stride included, such as `"ir k7 e6 24-32 /2"`.
        inputs: `(C, H, W)` of each tensor it reads.
        build: Makes it, with any weights. Modules of plain layers, as `costs.graphs` writes them.
        is_first: Whether it reads the image, and stays float in INT8 files.
        is_last: Whether it gives the network's outputs, and its last layers stay float.
    """

    kind: str
    inputs: tuple[Shape, ...]
    build: Callable[[], nn.Module] = field(compare=False, repr=False)
    is_first: bool = False
    is_last: bool = False

    @property
    def key(self) -> str:
        """Its name in a cost table."""
        return f"{self.kind} @ " + " + ".join("x".join(map(str, shape)) for shape in self.inputs)


class Space(ABC):
    """Networks that a search chooses among.

    Attributes:
        name: Of the search: `"efficientpose"`, `"litepose"`, `"lrpose"`.
        keypoints: How many the networks find.
        choices: All decisions, in a fixed order.
    """

    name: str
    keypoints: int
    choices: tuple[Choice, ...]

    @abstractmethod
    def build(self, genes: Genes) -> nn.Module:
        """A new network."""

    @abstractmethod
    def input_size(self, genes: Genes) -> Size:
        """What it takes."""

    @abstractmethod
    def operators(self, genes: Genes) -> tuple[Operator, ...]:
        """What the network consists of, in its order; one that occurs twice is there twice."""

    @abstractmethod
    def all_operators(self) -> tuple[Operator, ...]:
        """Every operator that some network of the space has, each once."""

    @abstractmethod
    def architecture(self, genes: Genes) -> dict[str, Any]:
        """The network as the JSON document that `models.architecture_files` reads."""

    def canonical(self, genes: Genes) -> Genes:
        """The one form of all genes that make the same network; these genes unless overridden."""
        return genes

    @property
    def largest(self) -> Genes:
        """The last option everywhere."""
        return tuple(len(choice.options) - 1 for choice in self.choices)

    @property
    def smallest(self) -> Genes:
        """The first option everywhere."""
        return (0,) * len(self.choices)

    def encode(self, values: Mapping[str, Value]) -> Genes:
        """Genes of options by the names of choices.

        Raises:
            SearchError: A choice is left out or unknown, or has no such option.
        """
        unknown = set(values) - {choice.name for choice in self.choices}
        if unknown:
            raise SearchError(f"the space {self.name} has no choice '{min(unknown)}'")
        genes = []
        for choice in self.choices:
            if choice.name not in values:
                raise SearchError(f"the space {self.name} needs a value for '{choice.name}'")
            value = values[choice.name]
            if value not in choice.options:
                raise SearchError(f"'{choice.name}' is one of {choice.options}, got {value!r:.40}")
            genes.append(choice.options.index(value))
        return tuple(genes)

    def decode(self, genes: Sequence[int]) -> dict[str, Value]:
        """Options by the names of choices.

        Raises:
            SearchError: The genes are not of this space.
        """
        self.check(genes)
        return {c.name: c.options[i] for c, i in zip(self.choices, genes, strict=True)}

    def check(self, genes: Sequence[int]) -> None:
        """Refuse genes of another space.

        Raises:
            SearchError: They are too many or too few, or name an option that is not there.
        """
        if len(genes) != len(self.choices):
            raise SearchError(
                f"the space {self.name} has {len(self.choices)} choices, got {len(genes)} genes"
            )
        for choice, index in zip(self.choices, genes, strict=True):
            if not 0 <= index < len(choice.options):
                raise SearchError(f"'{choice.name}' has {len(choice.options)} options, got {index}")

    def random(self, rng: np.random.Generator) -> Genes:
        """A network, each option equally likely."""
        return self.canonical(tuple(int(rng.integers(len(c.options))) for c in self.choices))


def by_size(sizes: Iterable[Size]) -> dict[str, Size]:
    """Input sizes by the names of their options, from few pixels to many."""
    ordered = sorted(sizes, key=lambda size: (size.width * size.height, size.width))
    return {f"{size.width}x{size.height}": size for size in ordered}


def distinct(operators: Iterable[Operator]) -> tuple[Operator, ...]:
    """Each operator once, by its key, in order."""
    return tuple({operator.key: operator for operator in operators}.values())
