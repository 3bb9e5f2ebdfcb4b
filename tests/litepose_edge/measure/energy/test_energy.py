"""Energy: counters, power, windows, and what they make of a frame."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.errors import SourceError
from litepose_edge.measure.energy import (
    Energy,
    LogMeter,
    MeterInfo,
    ModelledMeter,
    joules_per_frame,
)
from litepose_edge.measure.energy.accumulate import PLAUSIBLE_W, EnergyCounter, PowerIntegral
from litepose_edge.measure.energy.interval import mean_interval, t_quantile
from litepose_edge.measure.energy.log import joules_between, read_log
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


def write_csv(path, header, rows, mark=","):
    lines = [header, *(mark.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@given(
    watts=st.lists(st.floats(0, 50), min_size=4, max_size=40),
    edges=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
@settings(max_examples=50)
def test_windows_of_a_log_add_up_to_their_union(watts, edges, tmp_path_factory):
    times = 1.7e9 + np.arange(len(watts)) * 0.1
    path = tmp_path_factory.mktemp("log") / "power.csv"
    log = read_log(write_csv(path, "time,power", zip(times, watts, strict=True)))
    begin, end = times[0], times[-1]
    middle = begin + edges[0] * (end - begin)
    parts = joules_between(log, begin, middle).joules + joules_between(log, middle, end).joules
    assert parts == pytest.approx(joules_between(log, begin, end).joules, abs=1e-4)


@pytest.mark.parametrize(
    ("header", "row", "mark"),
    [
        ("timestamp,power_w", (2.0,), ","),
        ("Time (s);Power (mW)", (2000.0,), ";"),
        ("#time;is commented\ntime\tVoltage (V)\tCurrent (mA)", (5.0, 400.0), "\t"),
        ("Timestamp[s],current_ua,voltage_mv", (400000.0, 5000.0), ","),
    ],
)
def test_logs_of_several_forms_give_the_same_joules(tmp_path, header, row, mark):
    rows = [(1.7e9 + i * 0.5, *row) for i in range(21)]
    log = read_log(write_csv(tmp_path / "log.csv", header, rows, mark))
    assert joules_between(log, 1.7e9 + 1, 1.7e9 + 9).joules == pytest.approx(16)


def test_an_energy_column_is_a_counter(tmp_path):
    rows = [(1.7e9 + i, 100 + i / 3600) for i in range(11)]
    log = read_log(write_csv(tmp_path / "log.csv", "time,energy (Wh)", rows))
    assert joules_between(log, 1.7e9 + 2.5, 1.7e9 + 7.5).joules == pytest.approx(5)
    rows[5] = (1.7e9 + 5, 0.0)
    log = read_log(write_csv(tmp_path / "log.csv", "time,energy (Wh)", rows))
    assert "reset" in joules_between(log, 1.7e9 + 2.5, 1.7e9 + 7.5).reason


def test_times_with_an_offset_are_read_as_they_are(tmp_path):
    rows = [(f"2024-05-01T12:00:0{i}+02:00", 3.0) for i in range(5)]
    log = read_log(write_csv(tmp_path / "log.csv", "datetime,watts", rows))
    assert log.times_s[0] == 1714557600.0
    assert np.diff(log.times_s) == pytest.approx(1)


def test_relative_times_need_the_start_of_the_recording(tmp_path):
    path = write_csv(tmp_path / "log.csv", "t,p", [(i * 0.1, 1.0) for i in range(100)])
    with pytest.raises(SourceError, match="count from the recording's start"):
        read_log(path)
    assert joules_between(read_log(path, 1.7e9), 1.7e9 + 1, 1.7e9 + 3).joules == pytest.approx(2)


def test_a_window_outside_the_log_or_over_a_gap_has_no_joules(tmp_path):
    rows = [(1.7e9 + i * 0.1, 1.0) for i in range(100) if not 40 < i < 70]
    log = read_log(write_csv(tmp_path / "log.csv", "time,power", rows))
    assert "not the whole window" in joules_between(log, 1.7e9 - 1, 1.7e9 + 1).reason
    assert "gap of 3.0 s" in joules_between(log, 1.7e9 + 3, 1.7e9 + 8).reason
    assert "gap of 3.0 s" in joules_between(log, 1.7e9 + 5, 1.7e9 + 6).reason
    assert joules_between(log, 1.7e9 + 1, 1.7e9 + 3).joules == pytest.approx(2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "time,colour\n1700000000,red\n1700000001,blue\n",
        "time,power\n1700000000,1\n",
    ],
)
def test_a_file_that_is_no_log_is_refused(tmp_path, text):
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(SourceError, match=r"log\.csv"):
        LogMeter(path)


def test_a_missing_log_is_refused(tmp_path):
    with pytest.raises(SourceError, match="cannot read the meter's log"):
        LogMeter(tmp_path / "nowhere.csv")


def test_the_log_meter_waits_for_a_log_that_is_still_being_written(tmp_path):
    path = tmp_path / "log.csv"
    began = time.time() - 1
    done = threading.Event()

    def record():
        with path.open("a") as file:
            while not done.wait(0.02):
                # In two parts, as a buffer may be flushed.
                file.write(f"{time.time():.6f},")
                file.flush()
                file.write("4.0\n")
                file.flush()

    path.write_text(f"time,power\n{began},4.0\n{began + 0.5},4.0\n")
    writer = threading.Thread(target=record)
    writer.start()
    try:
        time.sleep(0.1)
        meter = LogMeter(path)
        meter.start()
        time.sleep(0.3)
        energy = meter.stop()
    finally:
        done.set()
        writer.join()
    assert energy.joules == pytest.approx(4.0 * energy.seconds, rel=1e-3)


def test_the_log_meter_gives_up_on_a_log_that_stopped(tmp_path):
    path = write_csv(tmp_path / "log.csv", "time,power", [(1.7e9, 1.0), (1.7e9 + 1, 1.0)])
    meter = LogMeter(path, patience_s=0.1)
    meter.start()
    energy = meter.stop()
    assert energy.joules is None
    assert "not the whole window" in energy.reason
    assert math.isfinite(energy.seconds)
