"""Energy: counters, power, windows, and what they make of a frame."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litepose_edge.measure.energy import (
    Energy,
    EnergyFigures,
    MeterInfo,
    ModelledMeter,
    joules_per_frame,
    on_battery,
    per_person,
)
from litepose_edge.measure.energy.accumulate import PLAUSIBLE_W, EnergyCounter, PowerIntegral
from litepose_edge.measure.energy.interval import mean_interval, t_quantile
from litepose_edge.measure.energy.sampled import SampledMeter, SumMeter

ABOUT = MeterInfo("test", "measured", "a list", "exact", "none")


class FakeMeter:
    """Joules from a list of powers, one a window, each window as long as the clock says."""

    about = ABOUT

    def __init__(self, watts, clock):
        self.watts, self.clock, self.began = iter(watts), clock, 0.0

    def start(self):
        self.began = self.clock.now

    def stop(self):
        seconds, watts = self.clock.now - self.began, next(self.watts)
        if watts is None:
            return Energy(None, seconds, "gone")
        return Energy(watts * seconds, seconds)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@given(
    start=st.floats(0, 262143),
    steps=st.lists(st.floats(0, 300), min_size=1, max_size=400),
)
def test_a_counter_gives_the_true_energy_however_often_it_wraps(start, steps):
    counter, true = EnergyCounter(262143.3), 0.0
    counter.add(0.0, start)
    for second, joules in enumerate(steps, 1):
        true += joules
        counter.add(float(second), (start + true) % 262143.3)
    assert counter.reason is None
    assert counter.joules == pytest.approx(true, abs=1e-4)


def test_a_counter_that_is_reset_spoils_the_window_instead_of_adding_a_range():
    counter = EnergyCounter(262143.3)
    counter.add(0.0, 5000.0)
    counter.add(0.1, 0.0)
    assert "reset" in counter.reason


def test_a_counter_without_known_range_that_goes_backwards_spoils_the_window():
    counter = EnergyCounter(None)
    for second, value in enumerate([10.0, 11.0, 3.0]):
        counter.add(float(second), value)
    assert "reset" in counter.reason


def test_a_gap_in_which_a_counter_could_wrap_twice_spoils_the_window():
    counter = EnergyCounter(65532.6)
    counter.add(0.0, 10.0)
    counter.add(65532.6 / PLAUSIBLE_W + 1, 20.0)
    assert "more than once" in counter.reason


@given(
    st.lists(st.tuples(st.floats(1e-3, 5), st.floats(0, 100)), min_size=2, max_size=50),
)
def test_power_is_integrated_as_the_plain_trapezoid_loop_does(samples):
    integral, at, true, last = PowerIntegral(), 0.0, 0.0, None
    for step, watts in samples:
        at += step
        integral.add(at, watts)
        if last is not None:
            true += (at - last[0]) * 0.5 * (watts + last[1])
        last = (at, watts)
    assert integral.joules == pytest.approx(true)


def test_a_sampled_meter_reads_while_the_work_goes_on():
    readings = []

    def read():
        readings.append(threading.current_thread().name)
        return 7.0

    meter = SampledMeter(ABOUT, read, PowerIntegral, interval_s=0.01)
    meter.start()
    time.sleep(0.2)
    energy = meter.stop()
    assert len(readings) > 5
    assert energy.joules == pytest.approx(7.0 * energy.seconds)
    assert energy.seconds >= 0.2
    assert energy.reason is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/sys/x/energy_uj"), "not permitted to read"),
        (FileNotFoundError(2, "No such file", "/sys/x/energy_uj"), "No such file"),
        (ValueError("/sys/x holds 'N/A', not an integer"), "N/A"),
    ],
)
def test_a_reading_that_fails_half_way_leaves_no_joules_and_a_reason(error, said):
    values = iter([1.0, 2.0])

    def read():
        try:
            return next(values)
        except StopIteration:
            raise error from None

    meter = SampledMeter(ABOUT, read, lambda: EnergyCounter(None), interval_s=0.005)
    meter.start()
    time.sleep(0.1)
    energy = meter.stop()
    assert energy.joules is None
    assert said in energy.reason


def test_a_meter_can_be_used_again_after_a_spoilt_window():
    values = [5.0, 1.0, 1.0, 2.0]
    meter = SampledMeter(ABOUT, lambda: values.pop(0), lambda: EnergyCounter(None), interval_s=60)
    meter.start()
    assert meter.stop().joules is None
    meter.start()
    assert meter.stop().joules == 1.0


def test_a_sum_of_meters_without_one_part_has_no_joules():
    clock = Clock()
    both = SumMeter(ABOUT, [FakeMeter([2.0, 2.0], clock), FakeMeter([3.0, None], clock)])
    both.start()
    clock.sleep(10)
    assert both.stop().joules == pytest.approx(50)
    both.start()
    clock.sleep(10)
    energy = both.stop()
    assert energy.joules is None
    assert energy.reason == "gone"


def test_the_modelled_meter_is_labelled_and_multiplies_cpu_seconds():
    cpu = iter([1.0, 4.0])
    meter = ModelledMeter(2.5, lambda: next(cpu), Clock())
    meter.start()
    assert meter.stop().joules == pytest.approx(7.5)
    assert meter.about.kind == "modelled"
    assert meter.about.name == "modelled"


def test_net_energy_is_gross_minus_the_idle_of_before_and_after():
    clock = Clock()
    # Idle rises from 2 to 4 W; work takes 10 W on top of it.
    meter = FakeMeter([2, 12.5, 3, 13.5, 4], clock)

    def work():
        clock.sleep(10)
        return 150

    figures = joules_per_frame(meter, work, idle_s=5, repeats=2, sleep=clock.sleep)
    assert figures.net_j_per_frame.mean == pytest.approx(10 * 10 / 150)
    assert figures.net_j_per_frame.high - figures.net_j_per_frame.low == pytest.approx(0, abs=1e-9)
    assert figures.gross_j_per_frame.mean == pytest.approx(130 / 150)
    assert figures.idle_w == pytest.approx(3)
    assert figures.idle_drift_w == pytest.approx(2)
    assert (figures.frames, figures.repeats, figures.seconds) == (300, 2, 20)


def two_windows():
    """150 frames in each of two windows of 10 s, 13 and 15 W with 2, 3 and 4 W of idling."""
    clock = Clock()
    meter = FakeMeter([2, 12.5, 3, 13.5, 4], clock)

    def work():
        clock.sleep(10)
        return 150

    return joules_per_frame(meter, work, idle_s=5, repeats=2, sleep=clock.sleep)


def test_a_person_takes_a_frame_s_joules_by_its_mean_people():
    figures = per_person(two_windows(), people=600)  # two a frame
    assert figures.people == 600
    assert figures.net_j_per_person.mean == pytest.approx(figures.net_j_per_frame.mean / 2)
    assert per_person(two_windows(), people=0).net_j_per_person is None


def test_a_battery_feeds_the_idle_machine_too():
    figures = on_battery(two_windows(), 26.0)
    assert figures.battery_wh == 26
    assert figures.battery_h.mean == pytest.approx(2)  # 13 W gross, 10 W net
    assert figures.battery_h.low < 2 < figures.battery_h.high


def test_nothing_is_said_of_a_battery_where_nothing_was_measured():
    lost = EnergyFigures(meter=None, reason="no meter")
    assert on_battery(lost, 26.0).battery_h is None
    assert per_person(lost, 10) == lost


def test_one_spoilt_window_means_no_figure_and_the_reason():
    clock = Clock()
    meter = FakeMeter([2, 12, 2, None, 2], clock)
    figures = joules_per_frame(meter, lambda: 1, idle_s=1, repeats=2, sleep=clock.sleep)
    assert figures.net_j_per_frame is None
    assert figures.reason == "gone"


def test_student_quantiles_agree_with_scipy():
    stats = pytest.importorskip("scipy.stats", reason="needs SciPy as the oracle")
    for freedom in (1, 2, 2.7, 4, 8, 30, 200):
        for probability in (0.9, 0.975, 0.995):
            assert t_quantile(probability, freedom) == pytest.approx(
                stats.t.ppf(probability, freedom), rel=1e-5
            )


def test_the_interval_holds_the_true_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        interval = mean_interval(rng.normal(3, 1, 4).tolist())
        held += interval.low <= 3 <= interval.high
    assert 930 <= held <= 970
