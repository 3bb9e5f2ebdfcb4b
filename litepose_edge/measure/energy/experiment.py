"""Net energy of paced work: idle, work, idle again, repeated, with a confidence interval."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from litepose_edge.measure.energy.interval import Interval, mean_interval
from litepose_edge.measure.energy.meter import Energy, EnergyMeter, MeterInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyFigures:
    """What an energy measurement gave; every figure is None where nothing could be measured.

    Attributes:
        meter: What measured, or modelled.
        net_j_per_frame: Joules a frame above idle, mean of the repeats with its 95 % interval.
        gross_j_per_frame: The same with what the idle machine takes.
        idle_w: Mean of all idle windows.
        idle_drift_w: Last idle window minus the first, a measure of the machine's own change.
        repeats: Work windows.
        frames: Frames in all of them.
        seconds: Length of all of them.
        people: People found or given in all of them.
        net_j_per_person: Joules a person above idle: a frame's, divided by its mean people.
        battery_wh: Watt-hours of a battery, as the user stated them.
        battery_h: Hours of this work on it, with what the idle machine takes, if the meter sees
            all that the battery feeds.
        reason: Why there are no figures; None where there are.
    """

    meter: MeterInfo | None
    net_j_per_frame: Interval | None = None
    gross_j_per_frame: Interval | None = None
    idle_w: float | None = None
    idle_drift_w: float | None = None
    repeats: int = 0
    frames: int = 0
    seconds: float = 0.0
    people: int = 0
    net_j_per_person: Interval | None = None
    battery_wh: float | None = None
    battery_h: Interval | None = None
    reason: str | None = None


def joules_per_frame(
    meter: EnergyMeter,
    work: Callable[[], int],
    *,
    idle_s: float = 5.0,
    repeats: int = 5,
    sleep: Callable[[float], None] = time.sleep,
) -> EnergyFigures:
    """Measure work between idle windows; each repeat's baseline is the mean of its two.

    Args:
        meter: What measures.
        work: Does one window's frames, at the pace that is to be measured; returns their number.
        idle_s: Length of an idle window.
        repeats: Work windows; two at least, for an interval.
        sleep: Idles.
    """
    assert repeats >= 2, repeats

    def idle() -> Energy:
        meter.start()
        sleep(idle_s)
        return meter.stop()

    baselines, windows, frames = [idle()], [], []
    for _ in range(repeats):
        meter.start()
        frames.append(work())
        windows.append(meter.stop())
        baselines.append(idle())
    lost = next((w.reason for w in (*baselines, *windows) if w.joules is None), None)
    if lost is not None:
        return EnergyFigures(meter=meter.about, reason=lost)
    idle_w = [_watts(window) for window in baselines]
    gross = [_joules(window) for window in windows]
    net = [
        joules - window.seconds * (before + after) / 2
        for joules, window, before, after in zip(gross, windows, idle_w, idle_w[1:], strict=False)
    ]
    return EnergyFigures(
        meter=meter.about,
        net_j_per_frame=mean_interval([j / n for j, n in zip(net, frames, strict=True)]),
        gross_j_per_frame=mean_interval([j / n for j, n in zip(gross, frames, strict=True)]),
        idle_w=sum(idle_w) / len(idle_w),
        idle_drift_w=idle_w[-1] - idle_w[0],
        repeats=repeats,
        frames=sum(frames),
        seconds=sum(window.seconds for window in windows),
    )


def per_person(figures: EnergyFigures, people: int) -> EnergyFigures:
    """The figures with joules a person, where there were people.

    Args:
        figures: From `joules_per_frame`.
        people: How many there were in all its frames.
    """
    net = figures.net_j_per_frame
    if net is None or people == 0:
        return figures
    frames = figures.frames / people
    each = Interval(net.mean * frames, net.low * frames, net.high * frames)
    return replace(figures, people=people, net_j_per_person=each)


def on_battery(figures: EnergyFigures, watt_hours: float) -> EnergyFigures:
    """The figures with the hours that a battery lasts at this work.

    Args:
        figures: From `joules_per_frame`.
        watt_hours: What the battery gives.
    """
    gross = figures.gross_j_per_frame
    hours = None
    if gross is not None and gross.low > 0:  # else it is too uncertain to say for how long
        frames_per_s = figures.frames / figures.seconds
        mean, low, high = (
            watt_hours / (joules * frames_per_s) for joules in (gross.mean, gross.high, gross.low)
        )
        hours = Interval(mean, low, high)
    return replace(figures, battery_wh=watt_hours, battery_h=hours)


def _joules(window: Energy) -> float:
    assert window.joules is not None
    return window.joules


def _watts(window: Energy) -> float:
    return _joules(window) / window.seconds
