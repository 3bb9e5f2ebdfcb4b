"""The log file of an external meter: its forms, its windows, its gaps."""

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
    LogMeter,
)
from litepose_edge.measure.energy.log import joules_between, read_log


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
        "time,power\n1700000000,1\n1700000001,nan\n1700000002,1\n",
        "time,power\n1700000000,1\nnan,1\n1700000002,1\n",
        "time,energy\n1700000000,1\n1700000001,inf\n",
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
