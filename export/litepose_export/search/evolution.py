"""Evolutionary search under a budget, as LitePose's: the best quarter mutate and are crossed.

Wang et al., CVPR 2022, arXiv 2205.01271, `arch_search/evolution.py`: population 40, 40 iterations,
mutation with .1 a choice for half of the children, crossover for the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from litepose_export.errors import SearchError
from litepose_export.search.run_folder import RunFolder, generator_state, restored_generator
from litepose_export.search.space import Genes, Space

TRIES = 100  # at a child that is new and within the budget
EVOLUTION, GENERATION = "evolution", "generation"
# Scores of candidates, told one by one as they come: `judge(candidates, on_score)`.
Judge = Callable[[Sequence[Genes], Callable[[Genes, float], None]], object]


@dataclass(frozen=True, slots=True)
class EvolutionOptions:
    """How a search evolves; the published settings unless told otherwise.

    Attributes:
        population: Candidates of a generation.
        generations: How many, the first random one included.
        parents: Part of the best ones so far that have children.
        mutated: Part of the children that are one parent's, mutated; the others have two.
        mutation: Probability that a choice is drawn anew.
    """

    population: int = 40
    generations: int = 40
    parents: float = 0.25
    mutated: float = 0.5
    mutation: float = 0.1


@dataclass(slots=True)
class Progress:
    """What the search knows.

    Attributes:
        generation: The one that is judged.
        waiting: Its candidates.
        scores: Of all that were judged.
        rng: Draws the next generation.
    """

    generation: int
    waiting: list[Genes]
    scores: dict[Genes, float]
    rng: np.random.Generator

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "generation": self.generation,
            "waiting": self.waiting,
            "scores": [[genes, score] for genes, score in self.scores.items()],
            "rng": generator_state(self.rng),
        }


def _restored(content: dict[str, Any]) -> Progress:
    return Progress(
        content["generation"],
        [tuple(genes) for genes in content["waiting"]],
        {tuple(genes): score for genes, score in content["scores"]},
        restored_generator(content["rng"]),
    )


def evolve(
    space: Space,
    cost: Callable[[Genes], float],
    budget: float,
    judge: Judge,
    folder: RunFolder,
    options: EvolutionOptions = EvolutionOptions(),
    *,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> dict[Genes, float]:
    """All candidates that were judged, with their scores.

    Every candidate costs at most the budget. What was judged is kept in the folder one by one.

    Args:
        space: Which networks there are.
        cost: What one costs.
        budget: What it may cost.
        judge: Scores candidates; more is better.
        folder: Keeps the state.
        options: How it evolves.
        seed: Of what is drawn.
        advance: Called once a generation.

    Raises:
        SearchError: No network of the space is within the budget.
    """
    kept = folder.get(EVOLUTION)
    if kept is None:
        rng = np.random.default_rng(seed)
        first = _first_generation(space, cost, budget, options.population, rng)
        progress = Progress(0, first, {}, rng)
        folder.put(EVOLUTION, progress.to_json())
    else:
        progress = _restored(kept)
        for _ in range(progress.generation):
            advance()
    while progress.generation < options.generations and progress.waiting:
        scores = _judged(judge, progress, folder)
        progress.generation += 1
        progress.scores |= scores
        progress.waiting = _children(space, cost, budget, options, progress)
        folder.put(EVOLUTION, progress.to_json())
        advance()
    return progress.scores


def _judged(judge: Judge, progress: Progress, folder: RunFolder) -> dict[Genes, float]:
    """Scores of the waiting ones, in their order: when processes were done must not count."""
    kept = folder.get(GENERATION) or {}
    scores: dict[Genes, float] = {}
    if kept.get("generation") == progress.generation:
        scores = {tuple(genes): score for genes, score in kept["scores"]}

    def keep(genes: Genes, score: float) -> None:
        scores[genes] = score
        judged = [[each, value] for each, value in scores.items()]
        folder.put(GENERATION, {"generation": progress.generation, "scores": judged})

    judge([genes for genes in progress.waiting if genes not in scores], keep)
    return {genes: scores[genes] for genes in progress.waiting}


def _first_generation(
    space: Space,
    cost: Callable[[Genes], float],
    budget: float,
    count: int,
    rng: np.random.Generator,
) -> list[Genes]:
    smallest = space.canonical(space.smallest)
    if (least := cost(smallest)) > budget:
        raise SearchError(
            f"no network of the space {space.name} is known within the budget of {budget:g}: the "
            f"smallest costs {least:.4g}; raise --budget"
        )
    found: dict[Genes, None] = {}
    for _ in range(TRIES * count):
        found[within_budget(space, space.random(rng), cost, budget, rng)] = None
        if len(found) == count:
            break
    return list(found)


def within_budget(
    space: Space,
    genes: Genes,
    cost: Callable[[Genes], float],
    budget: float,
    rng: np.random.Generator,
) -> Genes:
    """The genes with as many choices made cheaper, in a random order, as the budget asks for."""
    genes = space.canonical(genes)
    known = cost(genes)
    while known > budget:
        cheaper: list[tuple[Genes, float]] = []
        for place in rng.permutation(len(genes)):
            index = int(place)
            if genes[index] == 0:
                continue
            other = space.canonical((*genes[:index], genes[index] - 1, *genes[index + 1 :]))
            price = cost(other)
            if price < known:
                cheaper.append((other, price))
                break
        if not cheaper:
            return space.canonical(space.smallest)
        genes, known = cheaper[0]
    return genes


def _children(
    space: Space,
    cost: Callable[[Genes], float],
    budget: float,
    options: EvolutionOptions,
    progress: Progress,
) -> list[Genes]:
    """The next generation: new ones within the budget; fewer, or none, where none are left."""
    ranked = sorted(progress.scores, key=lambda genes: -progress.scores[genes])
    parents = ranked[: max(1, round(options.parents * options.population))]
    mutants = round(options.mutated * options.population)
    children: dict[Genes, None] = {}
    for number in range(options.population):
        for _ in range(TRIES):
            child = (
                _mutant(space, parents, options.mutation, progress.rng)
                if number < mutants
                else _crossed(parents, progress.rng)
            )
            child = space.canonical(child)
            if child not in progress.scores and child not in children and cost(child) <= budget:
                children[child] = None
                break
    return list(children)


def _mutant(
    space: Space, parents: Sequence[Genes], probability: float, rng: np.random.Generator
) -> Genes:
    parent = parents[int(rng.integers(len(parents)))]
    return tuple(
        int(rng.integers(len(choice.options))) if rng.random() < probability else gene
        for gene, choice in zip(parent, space.choices, strict=True)
    )


def _crossed(parents: Sequence[Genes], rng: np.random.Generator) -> Genes:
    first, second = (parents[int(rng.integers(len(parents)))] for _ in range(2))
    return tuple(a if rng.random() < 0.5 else b for a, b in zip(first, second, strict=True))
