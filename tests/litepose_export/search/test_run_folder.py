"""A search's folder keeps its state whole and refuses another search's."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from litepose_export.errors import SearchError
from litepose_export.search.run_folder import (
    RunFolder,
    generator_state,
    restored_generator,
)


def test_what_was_put_is_there_again(tmp_path):
    folder = RunFolder(tmp_path, {"budget": 3.0})
    assert folder.is_new
    folder.put("part", {"step": 4, "genes": [[1, 2]]})
    again = RunFolder(tmp_path, {"budget": 3.0})
    assert not again.is_new
    assert again.get("part") == {"step": 4, "genes": [[1, 2]]}
    assert again.get("other") is None


def test_another_search_is_refused_and_the_difference_named(tmp_path):
    RunFolder(tmp_path, {"budget": 3.0}).put("part", 1)
    with pytest.raises(SearchError, match=r"its budget is 3\.0, asked for is 4\.0"):
        RunFolder(tmp_path, {"budget": 4.0})


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 9, "search": {}}'])
def test_a_damaged_folder_is_refused(content, tmp_path):
    (tmp_path / "search.json").write_text(content)
    with pytest.raises(SearchError, match=r"search\.json"):
        RunFolder(tmp_path, {})


def test_a_damaged_part_is_refused(tmp_path):
    folder = RunFolder(tmp_path, {})
    folder.put("part", 1)
    (tmp_path / "state" / "part.json").write_text("{")
    with pytest.raises(SearchError, match=r"part\.json"):
        folder.get("part")


def test_a_generator_goes_on_where_it_was():
    rng = np.random.default_rng(5)
    rng.normal(size=7)
    again = restored_generator(generator_state(rng))
    np.testing.assert_array_equal(rng.integers(100, size=9), again.integers(100, size=9))


def test_a_damaged_generator_is_refused():
    with pytest.raises(SearchError, match="generator"):
        restored_generator({"bit_generator": "PCG64"})
