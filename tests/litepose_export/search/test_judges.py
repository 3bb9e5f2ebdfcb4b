"""Candidates are judged in one process, in several, and with Ray: the scores are the same."""

from __future__ import annotations

import functools
import os

import pytest

pytest.importorskip("torch")

from litepose_export.errors import SearchError
from litepose_export.search.judges import _over_actors, judge_pool

CANDIDATES = [(i, 2 * i) for i in range(7)]


def scorer(offset=0.5):
    return lambda genes: sum(genes) + offset


def dying():
    return lambda genes: os._exit(9)


def scores_of(**options):
    found = {}
    with judge_pool(functools.partial(scorer, 0.25), **options) as judge:
        judge(CANDIDATES, found.__setitem__)
        judge([], found.__setitem__)
    return found


def test_local_processes_give_the_scores_of_one():
    assert scores_of(workers=2) == scores_of() == {g: sum(g) + 0.25 for g in CANDIDATES}


def test_a_process_that_dies_is_an_error_and_no_hang():
    with (
        pytest.raises(SearchError, match="a judging process died"),
        judge_pool(dying, workers=2) as judge,
    ):
        judge(CANDIDATES, lambda genes, score: None)


class Actor:
    """An actor of a Ray that is none; the machine of one may be lost at its third candidate."""

    def __init__(self, dies):
        self.score, self.dies, self.asked = self, dies, 0

    def remote(self, genes):
        self.asked += 1
        return (self, self.asked, genes)


class LostError(Exception):
    pass


class Ray:
    """As much of Ray as judging needs."""

    class exceptions:  # noqa: N801 - as Ray calls it
        RayActorError, RayError = LostError, Exception

    @staticmethod
    def wait(references, num_returns):
        return references[:num_returns], references[num_returns:]

    @staticmethod
    def get(reference):
        actor, asked, genes = reference
        if actor.dies and asked >= 3:
            raise LostError
        return float(sum(genes))


def test_a_lost_machine_leaves_its_candidate_to_the_others():
    found, actors = {}, [Actor(dies=True), Actor(dies=False)]
    _over_actors(Ray, actors, CANDIDATES, found.__setitem__)
    assert found == {genes: float(sum(genes)) for genes in CANDIDATES}
    assert [actor.dies for actor in actors] == [False]


def test_where_all_machines_are_lost_the_search_says_so():
    with pytest.raises(SearchError, match="all judges"):
        _over_actors(Ray, [Actor(dies=True)], CANDIDATES, lambda genes, score: None)


@pytest.mark.slow
def test_a_ray_cluster_gives_the_same_scores():
    pytest.importorskip("ray")
    assert scores_of(workers=100, ray="local") == scores_of()
