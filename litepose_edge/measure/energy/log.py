"""An external meter's log file: a table of times with power, volts and amperes, or energy."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from litepose_edge.atomic_files import read_file
from litepose_edge.errors import SourceError
from litepose_edge.geometry import Float64
from litepose_edge.measure.energy.meter import Energy, MeterInfo

# First word of a column's title, and what the column holds.
QUANTITIES = {
    **dict.fromkeys(("time", "timestamp", "t", "date", "datetime"), "time"),
    **dict.fromkeys(("power", "p", "watt", "watts"), "power"),
    **dict.fromkeys(("current", "i", "amps", "amperes"), "current"),
    **dict.fromkeys(("voltage", "v", "u", "volts"), "voltage"),
    **dict.fromkeys(("energy", "e", "joules"), "energy"),
}
PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "k": 1e3}
UNITS = {"s": 1.0, "w": 1.0, "a": 1.0, "v": 1.0, "j": 1.0, "wh": 3600.0}
# Seconds since 1970 passed this in 2001: smaller times count from a recording's start.
FIRST_EPOCH_S = 1e9
# A pause this many times the usual step is a gap.
GAP_STEPS, GAP_S = 20, 1.0
PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class MeterLog:
    """What a log file says.

    Attributes:
        times_s: `(N,)` float64, growing.
        watts: `(N,)` float64, or None where the file has an energy counter.
        joules: `(N,)` float64, the counter, or None.
    """

    times_s: Float64
    watts: Float64 | None
    joules: Float64 | None


class LogMeter:
    """A meter on another cable that writes a file while this program runs.

    Args:
        path: The file.
        began_s: When the recording began, in seconds since 1970, if its times count from there.
        clock: Seconds since 1970.
        patience_s: How long `stop` waits for the file to reach the window's end.

    Raises:
        SourceError: The file is missing or no such table.
    """

    def __init__(
        self,
        path: Path,
        began_s: float | None = None,
        *,
        clock: Callable[[], float] = time.time,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._path, self._began_s = path, began_s
        self._clock, self._patience_s = clock, patience_s
        self._started_s = 0.0
        read_log(path, began_s)

    @property
    def about(self) -> MeterInfo:
        """What the user put behind the meter."""
        return MeterInfo(
            f"log:{self._path.name}",
            "measured",
            "what the external meter feeds, as it was wired",
            "that of the file; both clocks must agree",
            "see the meter's data sheet",
        )

    def start(self) -> None:
        """Begin a window."""
        self._started_s = self._clock()

    def stop(self) -> Energy:
        """End the window; waits until the meter has written it."""
        began, ended = self._started_s, self._clock()
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                energy = joules_between(read_log(self._path, self._began_s), began, ended)
            except SourceError as exc:  # a row half-written, or the file moved away
                energy = Energy(None, ended - began, str(exc))
            if energy.joules is not None or time.monotonic() >= deadline:
                return energy
            time.sleep(min(0.2, self._patience_s))


def joules_between(log: MeterLog, began_s: float, ended_s: float) -> Energy:
    """Energy of a window, by the trapezoidal rule with interpolated edges.

    Args:
        log: The recording.
        began_s: On the recording's clock.
        ended_s: On the recording's clock.
    """
    seconds, times = ended_s - began_s, log.times_s
    if began_s < times[0] or ended_s > times[-1]:
        return Energy(
            None,
            seconds,
            f"the log covers {times[-1] - times[0]:.1f} s but not the whole window: it begins "
            f"{times[0] - began_s:+.1f} s and ends {times[-1] - ended_s:+.1f} s from the window's",
        )
    # The samples around the window, too: a gap may reach over its edge.
    first, last = np.searchsorted(times, began_s, "right") - 1, np.searchsorted(times, ended_s)
    steps = np.diff(times[first : last + 1])
    gap, usual = float(steps.max(initial=0)), float(np.median(np.diff(times)))
    if gap > max(GAP_S, GAP_STEPS * usual):
        return Energy(None, seconds, f"the log has a gap of {gap:.1f} s within the window")
    inner = times[(times > began_s) & (times < ended_s)]
    at = np.concatenate([[began_s], inner, [ended_s]])
    if log.joules is not None:
        if (np.diff(log.joules[first : last + 1]) < 0).any():
            return Energy(None, seconds, "the log's energy counter went backwards: it was reset")
        begin, end = np.interp([began_s, ended_s], times, log.joules)
        return Energy(float(end - begin), seconds)
    assert log.watts is not None
    return Energy(float(np.trapezoid(np.interp(at, times, log.watts), at)), seconds)


def read_log(path: Path, began_s: float | None = None) -> MeterLog:
    """Read a log file: comma, semicolon or tab between columns, titles in the first full row.

    Args:
        path: The file.
        began_s: Added to times that count from the recording's start.

    Raises:
        SourceError: It is missing, no such table, or its times need `began_s`.
    """
    try:
        text = read_file(path).decode("utf-8-sig", errors="replace")
    except OSError as exc:
        raise SourceError(f"cannot read the meter's log {path}: {exc.strerror}") from exc
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    delimiter = max(",;\t", key=lambda mark: lines[0].count(mark)) if lines else ","
    rows = list(csv.reader(lines, delimiter=delimiter))
    columns = _columns(rows[0]) if rows else {}
    if "time" not in columns or not (
        {"power", "energy"} & columns.keys() or {"voltage", "current"} <= columns.keys()
    ):
        raise SourceError(
            f"{path} needs titled columns: a time, and power, energy, or voltage and current "
            "(such as 'time_s,power_w')"
        )
    # A row that is being written is not complete yet.
    body = rows[1:-1] if len(rows[-1]) < len(rows[0]) else rows[1:]
    if len(body) < 2:
        raise SourceError(f"{path} has fewer than two readings")
    try:
        values = {
            name: np.array([_number(row[index], name) for row in body]) * scale
            for name, (index, scale) in columns.items()
        }
    except (IndexError, ValueError) as exc:
        raise SourceError(f"{path} has a row that is no reading: {exc}") from exc
    for name, column in values.items():
        if not np.isfinite(column).all():
            raise SourceError(f"{path} has a row that is no reading: its {name} is not finite")
    times = _absolute(values["time"], began_s, path)
    if (np.diff(times) <= 0).any():
        raise SourceError(f"the times in {path} do not grow")
    if "energy" in values:
        return MeterLog(times, None, values["energy"])
    watts = values.get("power")
    return MeterLog(
        times, watts if watts is not None else values["voltage"] * values["current"], None
    )


def _columns(titles: list[str]) -> dict[str, tuple[int, float]]:
    """Index and scale to base units by quantity; the first column of each counts."""
    found: dict[str, tuple[int, float]] = {}
    for index, title in enumerate(titles):
        # Both the micro sign and the Greek letter mean micro.
        plain = re.sub("[\u00b5\u03bc]", "u", title.lower())
        words = re.findall("[a-z]+", plain)
        quantity = QUANTITIES.get(words[0]) if words else None
        if quantity is not None and quantity not in found:
            found[quantity] = (index, _scale(words[-1]) if len(words) > 1 else 1.0)
    return found


def _scale(unit: str) -> float:
    for prefix, factor in PREFIXES.items():
        if unit.startswith(prefix) and unit[len(prefix) :] in UNITS:
            return factor * UNITS[unit[len(prefix) :]]
    return 1.0


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        if name != "time":
            raise
    # Without an offset it is this machine's local time, as meters' own programs write it.
    return datetime.fromisoformat(text.strip()).timestamp()


def _absolute(times: Float64, began_s: float | None, path: Path) -> Float64:
    if times[0] >= FIRST_EPOCH_S:
        return times
    if began_s is None:
        raise SourceError(
            f"the times in {path} count from the recording's start: say when that was "
            "(seconds since 1970)"
        )
    return times + began_s
