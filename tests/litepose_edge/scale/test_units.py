from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.scale.units import cut_into_units, is_film_name

NAMES = [f"folder/{i:05d}.jpg" for i in range(2000)]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a.jpg", "b.png", "c.mp4", "d.webp"]), max_size=60))
def test_units_hold_every_input_once_and_in_order(names):
    units = list(cut_into_units(names, 4, "key"))
    assert [source for unit in units for source in unit.sources] == names
    assert len({unit.name for unit in units}) == len(units)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300))
def test_a_unit_has_about_the_size_that_was_asked_for(size):
    units = list(cut_into_units(NAMES, size, "key"))
    assert max(len(unit.sources) for unit in units) <= size + max(1, size // 2)
    assert all(len(unit.sources) >= max(1, size - size // 2 - 1) for unit in units[:-1])


def test_a_film_is_a_unit_of_its_own():
    units = list(cut_into_units(["a.jpg", "b.jpg", "c.MP4", "d.jpg"], 64, "key"))
    assert [unit.sources for unit in units] == [("a.jpg", "b.jpg"), ("c.MP4",), ("d.jpg",)]


def test_a_name_in_the_middle_changes_few_units():
    before = {unit.name for unit in cut_into_units(NAMES, 32, "key")}
    names = [*NAMES[:700], "folder/00699b.jpg", *NAMES[700:]]
    after = {unit.name for unit in cut_into_units(names, 32, "key")}
    assert len(after - before) <= 4
    assert len(before - after) <= 4


def test_names_that_are_appended_change_the_last_unit_alone():
    before = [unit.name for unit in cut_into_units(NAMES[:1000], 32, "key")]
    after = [unit.name for unit in cut_into_units(NAMES, 32, "key")]
    assert after[: len(before) - 1] == before[:-1]


def test_units_are_named_by_inputs_and_options():
    once, again = (list(cut_into_units(["a.jpg"], 8, "key")) for _ in range(2))
    assert once == again
    assert once[0].name != next(cut_into_units(["b.jpg"], 8, "key")).name
    assert once[0].name != next(cut_into_units(["a.jpg"], 8, "other")).name


def test_relative_names_belong_to_their_folder():
    def name(source, folder):
        return next(cut_into_units([source], 8, "key", str(folder))).name

    here, there = Path("here").absolute(), Path("there").absolute()
    assert name("a.jpg", here) != name("a.jpg", there)
    for anywhere in (str(here / "a.jpg"), "https://host/a.jpg"):
        assert name(anywhere, here) == name(anywhere, there)


def test_lists_of_names_are_not_mistaken_for_each_other():
    names = {next(cut_into_units(n, 8, "")).name for n in (["ab", "c"], ["a", "bc"], ["abc"])}
    assert len(names) == 3


@pytest.mark.parametrize(
    ("name", "film"),
    [
        ("a.mp4", True),
        ("https://host/b.MOV?token=1.jpg", True),
        ("s3://bucket/c.mkv", True),
        ("d.jpg", False),
        ("https://host/mp4", False),
    ],
)
def test_a_film_is_told_by_its_suffix(name, film):
    assert is_film_name(name) is film
