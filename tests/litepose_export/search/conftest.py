"""A space whose best network is known, and a folder to search in."""

from __future__ import annotations

import pytest

from litepose_edge.geometry import Size


@pytest.fixture(autouse=True)
def single_threaded(one_thread) -> None:
    """Tests that run side by side would otherwise wait for each other's threads."""


@pytest.fixture(scope="session")
def toy_space():
    """Six layers of four operators each; costs and scores are whatever a test says."""
    pytest.importorskip("torch")
    from torch import nn

    from litepose_export.search.space import Choice, Operator, Space

    class ToySpace(Space):
        name = "toy"
        keypoints = 1
        choices = tuple(
            Choice(f"layer_{i}", ("skip", "small", "large", "useless")) for i in range(6)
        )

        def build(self, genes):
            self.check(genes)
            return nn.Sequential(*(nn.Conv2d(3, 3, 1 + 2 * gene) for gene in genes))

        def input_size(self, genes):
            return Size(32, 32)

        def operators(self, genes):
            names = self.decode(genes).values()
            return tuple(
                Operator(str(name), ((3, 32, 32),), lambda: nn.Conv2d(3, 3, 1)) for name in names
            )

        def all_operators(self):
            return tuple({o.key: o for i in range(4) for o in self.operators((i,) * 6)}.values())

        def architecture(self, genes):
            return {"family": "toy", "layers": list(self.decode(genes).values())}

    return ToySpace()
