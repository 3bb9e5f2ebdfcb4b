"""Views without people: the same crops each time, of the photographs asked for."""

from __future__ import annotations

import numpy as np
import pytest

from litepose_edge.errors import SourceError
from litepose_edge.measure.accuracy.negatives import WITHOUT_PEOPLE, views_without_people
from litepose_edge.sources import read_image

pytest.importorskip("skimage")


def test_each_photograph_comes_whole_and_in_crops(photographs):
    views = views_without_people(3, ["coffee", "moon"])
    assert len(views) == 2 * (1 + 3)
    np.testing.assert_array_equal(views[0], read_image(photographs / "coffee.png"))
    assert {view.shape for view in views[1:4]} == {(320, 320, 3)}
    assert all(view.dtype == np.uint8 and view.flags.c_contiguous for view in views)


def test_the_same_seed_cuts_the_same_crops():
    first, again, other = (views_without_people(2, ["coffee"], seed=s) for s in (5, 5, 6))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any((one != two).any() for one, two in zip(first, other, strict=True))


def test_a_hundred_crops_of_every_photograph_are_the_1010_views():
    assert len(WITHOUT_PEOPLE) * (1 + 100) == 1010


def test_a_photograph_that_is_not_there_is_named():
    with pytest.raises(SourceError, match="does not hold 'nowhere'"):
        views_without_people(1, ["nowhere"])
