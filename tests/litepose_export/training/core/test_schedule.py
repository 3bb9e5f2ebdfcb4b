"""Rates, sizes and shares of data over a run."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_export.training.core.schedule import Schedule, parse_mixes  # noqa: E402


def test_a_schedule_warms_up_decays_grows_and_changes_its_data():
    schedule = Schedule()
    assert schedule.factor(0, 0) < 0.01
    assert schedule.factor(1000, 0) == pytest.approx(1)
    assert schedule.factor(1000, 1) == pytest.approx(0.01)
    heights = [schedule.phase(p).input_size.height for p in (0, 0.6, 0.9, 1)]
    assert heights == [128, 192, 256, 256]
    assert schedule.shares(0.1, 2) == (0.5, 0.5)
    assert schedule.shares(0.9, 2) == (1.0, 0.0)
    assert schedule.decay(0) < 0.2
    assert schedule.decay(10**6) == schedule.ema_decay


def test_a_constant_rate_stays_at_its_peak_and_falls_at_the_end():
    schedule = Schedule(constant_rate_share=0.5)
    assert schedule.factor(1000, 0.49) == schedule.factor(1000, 0.5) == pytest.approx(1)
    assert schedule.factor(1000, 0.75) == pytest.approx(0.505)
    assert schedule.factor(1000, 1) == pytest.approx(0.01)


def test_mixes_are_the_shares_of_a_batch():
    schedule = Schedule(mixes=((0.6, (0.5, 0.4, 0.1)), (1.0, (0.75, 0.15, 0.1))))
    assert schedule.shares(0.2, 3) == pytest.approx((0.5, 0.4, 0.1))
    assert schedule.shares(0.9, 3) == pytest.approx((0.75, 0.15, 0.1))
    assert schedule.shares(1.0, 3) == pytest.approx((0.75, 0.15, 0.1))
    of_parts = Schedule(mixes=((1.0, (3.0, 1.0)),))
    assert of_parts.shares(0.2, 2) == pytest.approx((0.75, 0.25))


def test_mixes_are_read_as_they_are_written():
    assert parse_mixes(["0.5:0.65,0.35", "1:3,1"], 2) == ((0.5, (0.65, 0.35)), (1.0, (3.0, 1.0)))
    assert parse_mixes(["1:1"], None) == ((1.0, (1.0,)),)
    assert parse_mixes([], 2) == ()


@pytest.mark.parametrize(
    ("texts", "match"),
    [
        (["half:1,1"], "UNTIL:SHARE"),
        (["1"], "UNTIL:SHARE"),
        (["1:1,"], "UNTIL:SHARE"),
        (["1:1"], "2 shares"),
        (["1:1,1,1"], "2 shares"),
        (["1:1,-1"], "from 0 on"),
        (["1:0,0"], "at least above 0"),
        (["nan:1,1"], "from 0 on"),
        (["0.5:1,1", "0.5:1,0"], "order"),
    ],
)
def test_mixes_that_make_no_sense_are_refused(texts, match):
    with pytest.raises(ValueError, match=match):
        parse_mixes(texts, 2)
