"""Genes, values by name, and what is refused of them."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from litepose_edge.geometry import Size
from litepose_export.errors import SearchError
from litepose_export.search.litepose.space import LitePoseSpace
from litepose_export.search.lrpose.space import LRPoseSpace
from litepose_export.search.pareto import pareto_front
from litepose_export.search.space import Choice


def test_genes_and_values_go_there_and_back(toy_space):
    genes = (0, 1, 2, 3, 2, 1)
    assert toy_space.encode(toy_space.decode(genes)) == genes
    assert toy_space.decode(genes)["layer_3"] == "useless"


@pytest.mark.parametrize("genes", [(0,) * 5, (0,) * 7, (4, 0, 0, 0, 0, 0), (-1, 0, 0, 0, 0, 0)])
def test_genes_of_another_space_are_refused(genes, toy_space):
    with pytest.raises(SearchError):
        toy_space.decode(genes)


@pytest.mark.parametrize(
    ("change", "says"),
    [({"layer_9": "skip"}, "no choice 'layer_9'"), ({"layer_0": "huge"}, "'layer_0' is one of")],
)
def test_values_of_another_space_are_refused(change, says, toy_space):
    with pytest.raises(SearchError, match=says):
        toy_space.encode({**toy_space.decode((0,) * 6), **change})


@pytest.mark.parametrize("options", [(), (1, 1)])
def test_a_choice_has_options_each_once(options):
    with pytest.raises(ValueError, match="'depth'"):
        Choice("depth", options)


@pytest.mark.parametrize("space", [LRPoseSpace, LitePoseSpace])
def test_the_order_of_input_sizes_does_not_matter(space):
    small, wide, large = Size(96, 128), Size(192, 128), Size(256, 320)
    spaces = [space(17, sizes) for sizes in ((small, wide, large), (large, small, wide))]
    assert spaces[0].choices == spaces[1].choices
    for each in spaces:
        assert each.input_size(each.smallest) == small
        assert each.input_size(each.largest) == large


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_the_front_is_what_no_other_candidate_dominates(points):
    costs, scores = zip(*points, strict=True)
    front = {points[i] for i in pareto_front(costs, scores)}
    plain = {
        p for p in points
        if not any(o[0] <= p[0] and o[1] >= p[1] and o != p for o in points)
    }  # fmt: skip
    assert front == plain
    assert len(front) == len(pareto_front(costs, scores))
