"""Evolution finds the best network of toy problems, keeps the budget and goes on when killed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("torch")

from litepose_export.errors import SearchError
from litepose_export.search.evolution import (
    EvolutionOptions,
    evolve,
    within_budget,
)
from litepose_export.search.run_folder import RunFolder

SEEDS = range(5)
COSTS = np.array([0.0, 1.0, 3.0, 9.0])  # skip, small, large, and one that is dear and useless
WORTH = np.array([0.0, 1.0, 1.6, 0.3])
WEIGHTS = np.array([1.0, 0.9, 0.8, 1.2, 0.7, 1.1])  # layers are not worth the same


def cost(genes):
    return float(COSTS[list(genes)].sum())


def score(genes):
    return float((WEIGHTS * WORTH[list(genes)]).sum())


def judge(candidates, on_score):
    for genes in candidates:
        on_score(genes, score(genes))


def best_of(space, budget):
    everything = itertools.product(range(4), repeat=6)
    return max((g for g in everything if cost(g) <= budget), key=score)


def search(space, folder, budget, seed, judge=judge):
    run = RunFolder(folder, {"seed": seed})
    options = EvolutionOptions(population=20, generations=10)
    scores = evolve(space, cost, budget, judge, run, options, seed=seed)
    return max(scores, key=scores.__getitem__), scores


@pytest.mark.parametrize("seed", SEEDS)
def test_a_useless_and_dear_operator_is_nowhere_taken(seed, toy_space, tmp_path):
    found, _ = search(toy_space, tmp_path, budget=54, seed=seed)  # all networks are affordable
    assert found == best_of(toy_space, 54) == (2,) * 6


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("budget", [4, 9, 12])
def test_the_budget_decides_which_layers_are_large(seed, budget, toy_space, tmp_path):
    found, scores = search(toy_space, tmp_path, budget, seed)
    assert score(found) == pytest.approx(score(best_of(toy_space, budget)))
    assert max(map(cost, scores)) <= budget


class KilledError(Exception):
    pass


@pytest.mark.parametrize("after", [1, 19, 20, 57])
def test_a_killed_search_ends_with_the_same_answer(after, toy_space, tmp_path):
    options = EvolutionOptions(population=20, generations=6)
    left = [after]

    def dying(candidates, on_score):
        for genes in candidates:
            if left[0] == 0:
                raise KilledError
            left[0] -= 1
            on_score(genes, score(genes))

    def run(folder, judge):
        return evolve(toy_space, cost, 9, judge, RunFolder(folder, {}), options, seed=3)

    whole = run(tmp_path / "whole", judge)
    with pytest.raises(KilledError):
        run(tmp_path / "killed", dying)
    again = run(tmp_path / "killed", judge)
    assert list(again.items()) == list(whole.items())


def test_what_comes_in_another_order_changes_nothing(toy_space, tmp_path):
    def backwards(candidates, on_score):
        judge(list(candidates)[::-1], on_score)

    options = EvolutionOptions(population=12, generations=5)
    found = [
        evolve(toy_space, cost, 9, each, RunFolder(tmp_path / name, {}), options, seed=0)
        for name, each in (("a", judge), ("b", backwards))
    ]
    assert list(found[0].items()) == list(found[1].items())


def test_a_space_that_is_exhausted_ends_the_search(toy_space, tmp_path):
    _, scores = search(toy_space, tmp_path, budget=1, seed=0)
    assert len(scores) == 7  # nothing, and one small layer in each of six places


def test_no_network_within_the_budget_is_an_error(toy_space, tmp_path):
    with pytest.raises(SearchError, match="the smallest costs 2"):
        evolve(toy_space, lambda genes: 2 + cost(genes), 1, judge, RunFolder(tmp_path, {}))


def test_genes_are_made_cheaper_until_they_fit(toy_space):
    rng = np.random.default_rng(0)
    for _ in range(50):
        genes = toy_space.random(rng)
        fitted = within_budget(toy_space, genes, cost, 7, rng)
        assert cost(fitted) <= 7
        if cost(genes) <= 7:
            assert fitted == genes
