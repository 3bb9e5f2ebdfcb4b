"""Makes the space of a finished search again, and networks to compare its answer with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from litepose_edge.geometry import Size
from litepose_export.errors import SearchError
from litepose_export.search.efficientpose.space import EfficientPoseSpace, Layout
from litepose_export.search.evolution import within_budget
from litepose_export.search.litepose.space import CHANNELS, LitePoseSpace
from litepose_export.search.lrpose.space import LRPoseSpace
from litepose_export.search.result import SearchResult
from litepose_export.search.space import Genes, Space

TRIES = 3000
EQUAL = 0.03  # costs that differ by no more are equal


def space_of(result: SearchResult, keypoints: int) -> Space:
    """The space that a search chose in.

    Args:
        result: Of the search.
        keypoints: How many its networks find.

    Raises:
        SearchError: This version makes other choices in that space.
    """
    space: Space
    match result.search:
        case "lrpose":
            space = LRPoseSpace(keypoints, _sizes(result))
        case "litepose":
            options = [result.choices[f"stage_{i}.blocks"] for i in range(len(CHANNELS))]
            most = tuple(int(each[-1]) for each in options)
            space = LitePoseSpace(
                keypoints,
                _sizes(result),
                depth=any(len(each) > 1 for each in options),
                kernels=len(result.choices["stage_0.kernel"]) > 1,
                blocks=(most[0], most[1], most[2], most[3]),
            )
        case _:
            size: Any = result.settings["input_size"]
            layout: Any = result.settings["layout"]
            if not isinstance(layout, str):
                layout = Layout(layout["stem"], tuple(layout["channels"]), tuple(layout["depths"]))
            space = EfficientPoseSpace(layout, keypoints, Size(**size))
    choices = {choice.name: list(choice.options) for choice in space.choices}
    if choices != result.choices:
        raise SearchError(
            f"the space {result.search} has other choices now than when this search was made: "
            "search again"
        )
    return space


def _sizes(result: SearchResult) -> list[Size]:
    texts = [str(option).split("x") for option in result.choices["input_size"]]
    return [Size(int(width), int(height)) for width, height in texts]


def equal_random(
    space: Space, cost: Callable[[Genes], float], wanted: float, rng: np.random.Generator
) -> Iterator[Genes]:
    """Random networks that cost as much, within 3 %, none twice.

    Args:
        space: Where from.
        cost: What one costs.
        wanted: What they cost.
        rng: What is drawn from.
    """
    seen: set[Genes] = set()
    for _ in range(TRIES):
        genes = within_budget(space, space.random(rng), cost, wanted * (1 + EQUAL), rng)
        if genes not in seen and abs(cost(genes) / wanted - 1) <= EQUAL:
            seen.add(genes)
            yield genes


def equal_uniform(space: Space, cost: Callable[[Genes], float], wanted: float) -> Genes:
    """The network of one option everywhere whose cost is nearest: scaled as people scale.

    Choices have options from cheap to dear; of each the one at the same part is taken. Of
    EfficientPose's, one block everywhere.
    """
    steps = np.linspace(0, 1, 41)
    candidates = [
        space.canonical(tuple(round(part * (len(c.options) - 1)) for c in space.choices))
        for part in steps
    ]
    return min(dict.fromkeys(candidates), key=lambda genes: abs(cost(genes) - wanted))
