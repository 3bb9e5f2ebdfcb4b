"""The best candidates are measured as wholes, and the first that keeps the budget is chosen."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from litepose_export.search import confirm as module
from litepose_export.search.confirm import confirm
from litepose_export.search.run_folder import RunFolder


class Table:
    """Believes that all cost alike."""

    def of(self, space, genes):
        return 1.0


@pytest.fixture
def measured(monkeypatch):
    """What was measured; a candidate costs its first gene."""
    groups = []

    def measure(table, space, candidates, how, started):
        groups.append(list(candidates))
        return [float(genes[0]) for genes in candidates]

    monkeypatch.setattr(module, "measure_beside", measure)
    return groups


def choice(scores, budget, folder):
    return confirm(None, Table(), scores, None, budget, folder, None)


def test_the_best_that_keeps_the_budget_is_chosen(measured, tmp_path):
    scores = {(cost,): cost / 100 for cost in range(20)}  # the dearer the better
    found = choice(scores, 15.0, RunFolder(tmp_path, {}))
    assert (found.genes, found.measured) == ((15,), 15.0)
    assert len(measured) == 1


def test_where_the_first_group_is_too_dear_the_next_is_measured(measured, tmp_path):
    scores = {(cost,): cost / 100 for cost in range(20)}
    found = choice(scores, 8.0, RunFolder(tmp_path, {}))
    assert found.measured == 8.0
    assert [len(group) for group in measured] == [6, 6]
    # A search that goes on measures nothing again.
    assert choice(scores, 8.0, RunFolder(tmp_path, {})) == found
    assert len(measured) == 2


def test_where_nothing_keeps_the_budget_the_cheapest_measured_is_chosen(measured, tmp_path):
    scores = {(cost,): cost / 100 for cost in range(10, 40)}
    assert choice(scores, 1.0, RunFolder(tmp_path, {})).measured == 16.0
    assert len(measured) == module.ATTEMPTS
    few = {(cost,): cost / 100 for cost in range(10, 13)}
    assert choice(few, 1.0, RunFolder(tmp_path / "few", {})).measured == 10.0
