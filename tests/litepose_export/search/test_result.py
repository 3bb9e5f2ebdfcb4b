"""Results are documents, and their page shows all of them without needing anything else."""

from __future__ import annotations

import itertools
import re
from dataclasses import asdict
from xml.etree import ElementTree as ET

import numpy as np
import pytest

pytest.importorskip("torch")

from litepose_edge.geometry import Size
from litepose_export.errors import SearchError
from litepose_export.search.costs.correction import Agreement, Correction
from litepose_export.search.costs.table import CostTable, Entry
from litepose_export.search.efficientpose.space import (
    EfficientPoseSpace,
    Layout,
)
from litepose_export.search.litepose.space import LitePoseSpace
from litepose_export.search.lrpose.space import LRPoseSpace
from litepose_export.search.report import report_page
from litepose_export.search.result import make_result, read_result
from litepose_export.search.spaces import equal_random, equal_uniform, space_of


@pytest.fixture
def table(toy_space):
    """Of the toy space."""
    costs = (0.1, 1, 3, 9)
    entries = {
        o.key: Entry(float(c), 0.02) for o, c in zip(toy_space.all_operators(), costs, strict=True)
    }
    agreement = Agreement(20, 0.03, 0.08, 1.0, 0.9)
    return CostTable("int8-latency", "a <board>", entries, Correction(1.1, 0.0, 0.2, 12), agreement)


@pytest.fixture
def result(toy_space, table):
    """Of a search of it."""
    candidates = [((0, 1, 2, 1, 0, 0), 0.5), ((1,) * 6, 0.6), ((2,) * 6, 0.55)]
    return make_result(
        toy_space, table, candidates, (1,) * 6, budget=8.0, seed=3, measured=7.6,
        figures={"generations": 2.0},
    )  # fmt: skip


def test_a_result_says_what_was_found_and_its_costs(result, table):
    assert result.chosen.cost == pytest.approx(1.1 * 6 + 0.2)
    assert result.chosen.values == {f"layer_{i}": "small" for i in range(6)}
    assert [o.cost for o in result.chosen.operators] == [1.0] * 6
    assert result.front == (0, 1)  # the third is dearer and worse
    assert result.unit == table.unit == "ms"


def test_a_result_goes_to_its_file_and_back(result, tmp_path):
    result.save(tmp_path / "result.json")
    assert read_result(tmp_path / "result.json") == result


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1}', '{"schema": 7}'])
def test_what_is_no_result_is_refused(content, tmp_path):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(SearchError, match=r"result\.json"):
        read_result(tmp_path / "result.json")


def test_the_page_shows_front_network_candidates_and_costs(result, table):
    page = report_page(result, table)
    front, diagram = (ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert len(front.findall("circle")) == 3 + 2 + 1  # all, the front, the chosen one
    assert len(diagram.findall("rect")) == 6
    assert "a &lt;board&gt;" in page
    assert "measured as a whole 7.6 (95% of the budget)" in page
    assert page.count("<tr") > 3 + 4 + 6
    assert not re.search(r"(src|href)=", page)


def test_one_candidate_makes_a_page(toy_space, table):
    genes = (0,) * 6
    alone = make_result(toy_space, table, [(genes, 0.0)], genes, budget=5, seed=0)
    assert "<svg" in report_page(alone, table)


@pytest.mark.parametrize(
    "space",
    [
        LRPoseSpace(17, [Size(64, 96), Size(96, 128)]),
        LitePoseSpace(17, [Size(64, 64)], depth=True, kernels=True),
        LitePoseSpace(14),
    ],
    ids=["lrpose", "litepose, all open", "litepose"],
)
def test_a_result_s_space_is_made_again(space):
    entries = {o.key: Entry(1.0) for o in space.operators(space.largest)}
    table = CostTable("macs", "any", entries)
    found = make_result(space, table, [(space.largest, 0.5)], space.largest, budget=99, seed=0)
    again = space_of(found, space.keypoints)
    assert again.choices == space.choices
    assert again.architecture(space.largest) == space.architecture(space.largest)


def test_a_layout_of_ones_own_is_made_again(tmp_path):
    layout = Layout(8, (8, 16, 24, 32), (2, 1, 1, 2))
    space = EfficientPoseSpace(layout, 17, Size(48, 64))
    entries = {o.key: Entry(1.0) for o in space.operators(space.largest)}
    settings = {"layout": asdict(layout), "input_size": {"width": 48, "height": 64}}
    found = make_result(
        space, CostTable("macs", "any", entries), [(space.largest, 0.5)], space.largest,
        budget=99, seed=0, settings=settings,
    )  # fmt: skip
    found.save(tmp_path / "result.json")
    again = space_of(read_result(tmp_path / "result.json"), 17)
    assert again.architecture(space.largest) == space.architecture(space.largest)


def test_random_and_scaled_networks_cost_as_much(toy_space):
    def cost(genes):
        return 5.0 + sum((0, 1, 3, 9)[gene] for gene in genes)

    rng = np.random.default_rng(0)
    found = list(itertools.islice(equal_random(toy_space, cost, 20, rng), 3))
    assert len(set(found)) == 3
    assert all(abs(cost(genes) / 20 - 1) <= 0.03 for genes in found)
    assert equal_uniform(toy_space, cost, 20) == (2,) * 6
