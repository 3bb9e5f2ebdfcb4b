"""A report as rows: for the terminal, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict

from litepose_edge.measure.bench.report.document import Report, Result
from litepose_edge.measure.bench.report.noise import Comparison
from litepose_edge.measure.energy import EnergyFigures
from litepose_edge.measure.energy.interval import Interval

NONE = "-"
COLUMNS = (
    "configuration",
    "p50 ms",
    "p95",
    "p99",
    "max",
    "CPU ms",
    "frames/s",
    "missed",
    "against the baseline",
    "keypoints",
)


# Columns from here on hold text.
FIRST_TEXT_COLUMN = 8


def rows(report: Report) -> list[tuple[str, ...]]:
    """One row a configuration, under `COLUMNS`."""
    return [_row(result) for result in report.results]


def _row(result: Result) -> tuple[str, ...]:
    frame = result.frame_ms
    if frame is None:
        return (result.label, *[NONE] * (len(COLUMNS) - 2), f"failed: {result.error}")
    return (
        result.label,
        *(f"{value:.2f}" for value in (frame.p50, frame.p95, frame.p99, frame.max)),
        _number(result.cpu_ms_per_frame),
        _number(result.fps, ".1f"),
        _number(result.deadline_misses, "d"),
        verdict_text(result),
        _keypoints(result),
    )


def verdict_text(result: Result) -> str:
    """How a configuration compares with the baseline."""
    frame, cpu = result.frame_comparison, result.cpu_comparison
    if frame is None or cpu is None:
        return "baseline" if result.is_baseline else NONE
    return f"frame {_difference_text(frame)}, CPU {_difference_text(cpu, 'less', 'more')}"


def _difference_text(comparison: Comparison, faster: str = "faster", slower: str = "slower") -> str:
    if comparison.verdict == "no difference":
        return f"no difference (below {100 * comparison.threshold:.1f} %)"
    word = faster if comparison.verdict == "faster" else slower
    return f"x{comparison.ratio:.2f} {word}"


def _keypoints(result: Result) -> str:
    digest = result.checksum or "differ between runs"
    moved = result.shift
    if moved is None:
        return digest
    if moved.median_px is None:
        return f"{digest}, not compared: {moved.reason}"
    return f"{digest}, {moved.median_px:.2f} px (max {moved.max_px:.1f})"


def footnotes(report: Report) -> list[str]:
    """The sentences under the table."""
    plan = report.plan
    noise = report.noise
    floor = (
        "Noise floor: not known, the first configuration could not be measured twice."
        if noise is None
        else f"Noise floor (A/A, {noise.frame.repeats} processes each): "
        f"{100 * noise.frame.relative:.1f} % of the median frame, "
        f"{100 * noise.cpu.relative:.1f} % of the CPU time; "
        "what differs by less is called no difference."
    )
    modes = {r.configuration.mode: r.configuration.fps for r in report.results}
    pace = f", paced at {modes['paced']:g} frames/s" if "paced" in modes else ""
    return [
        f"{plan.repeats} processes a configuration in turn, {plan.seconds:g} s each{pace}. "
        "Frame: from its start to its keypoints. CPU: user and system time of all threads a "
        "frame, gaps included.",
        floor,
        *report.warnings,
    ]


def energy_rows(report: Report) -> list[tuple[str, str]]:
    """Label and sentence of each configuration whose energy was asked for."""
    return [(r.label, energy_text(r.energy)) for r in report.results if r.energy is not None]


def energy_text(figures: EnergyFigures) -> str:
    """Net joules a frame with their interval, or why there are none; modelled says so."""
    net = figures.net_j_per_frame
    if net is None or figures.meter is None:
        return f"null: {figures.reason}"
    half = (net.high - net.low) / 2
    modelled = "MODELLED, not measured: " if figures.meter.kind == "modelled" else ""
    person, hours = figures.net_j_per_person, figures.battery_h
    each = "" if person is None else f", {1000 * person.mean:.2f} mJ a person,"
    lasts = (
        ""
        if hours is None
        else f"; {figures.battery_wh:g} Wh last {hours.mean:.1f} h ({hours.low:.1f} to "
        f"{hours.high:.1f}) at this pace if they feed nothing that the meter does not see"
    )
    return (
        f"{modelled}{1000 * net.mean:.2f} mJ a frame +- {1000 * half:.2f} (95 %, "
        f"{figures.repeats} repeats){each} above {figures.idle_w or 0:.2f} W idle; "
        f"{figures.meter.name}: {figures.meter.domain}{lasts}"
    )


def machine_line(report: Report) -> str:
    """The machine in one line."""
    machine = report.machine
    runtime = machine.packages.get("onnxruntime")
    usable = len(machine.affinity) if machine.affinity is not None else machine.cpus
    governor = f", governor {'/'.join(machine.governor)}" if machine.governor else ""
    return f"{machine.cpu}, {usable} of {machine.cpus} CPUs{governor}, onnxruntime {runtime}"


def stage_rows(report: Report) -> list[tuple[str, ...]]:
    """Label and the stages' medians in milliseconds."""
    return [
        (r.label, *(f"{stage.p50:.3f}" for stage in r.stages.values()))
        for r in report.results
        if r.stages
    ]


def cold_rows(report: Report) -> list[tuple[str, ...]]:
    """Label, start, load and first frame in milliseconds, memory in MB."""
    return [
        (
            r.label,
            *(f"{value:.0f}" for value in (r.cold.start_ms, r.cold.load_ms, r.cold.first_ms)),
            _number(r.rss_mb, ".0f"),
            _number(r.peak_rss_mb, ".0f"),
        )
        for r in report.results
        if r.cold is not None
    ]


def to_text(report: Report) -> str:
    """The report as aligned plain text."""
    body = rows(report)
    texts = (COLUMNS[0], *COLUMNS[FIRST_TEXT_COLUMN:])
    parts = [
        machine_line(report),
        _aligned(COLUMNS[:FIRST_TEXT_COLUMN], [row[:FIRST_TEXT_COLUMN] for row in body]),
        _aligned(texts, [(row[0], *row[FIRST_TEXT_COLUMN:]) for row in body]),
        _aligned(STAGE_COLUMNS, stage_rows(report)),
        _aligned(COLD_COLUMNS, cold_rows(report)),
        "\n".join(f"energy, {label}: {text}" for label, text in energy_rows(report)),
        "\n".join(footnotes(report)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _aligned(titles: tuple[str, ...], body: Sequence[tuple[str, ...]]) -> str:
    """Words to the left, numbers to the right; nothing where there are no rows."""
    if not body:
        return ""
    lines = [titles, *body]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    numeric = [all(_is_figure(cell) for cell in column) for column in zip(*body, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_figure(cell: str) -> bool:
    return cell == NONE or cell.replace(".", "").isdigit()


STAGE_COLUMNS = ("stages, median ms", "detect", "crop", "infer", "decode")
COLD_COLUMNS = ("cold start, mean ms", "start", "load", "first", "RSS MB", "peak MB")


def to_markdown(report: Report) -> str:
    """The report as Markdown."""
    parts = [
        "# Benchmark",
        f"{machine_line(report)}; {report.created}",
        _markdown_table(COLUMNS, rows(report)),
        "\n".join(f"- {note}" for note in footnotes(report)),
    ]
    if stages := stage_rows(report):
        parts.append(_markdown_table(STAGE_COLUMNS, stages))
    if cold := cold_rows(report):
        parts.append(_markdown_table(COLD_COLUMNS, cold))
    if energy := energy_rows(report):
        parts.append(_markdown_table(("energy", "net"), energy))
    return "\n\n".join(parts) + "\n"


def _markdown_table(titles: tuple[str, ...], body: Sequence[tuple[str, ...]]) -> str:
    lines = [titles, tuple("---" for _ in titles), *body]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def to_csv(report: Report) -> str:
    """One row a configuration, one column a figure, empty where there is none."""
    table = [_flat(result) for result in report.results]
    columns = list(dict.fromkeys(name for row in table for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def _flat(result: Result) -> dict[str, object]:
    configuration, frame = result.configuration, result.frame_ms
    row: dict[str, object] = asdict(configuration)
    row["error"] = result.error
    if frame is None:
        return row
    row |= {f"frame_{name}_ms": getattr(frame, name) for name in ("mean", "p50", "p90", "p95")}
    row |= {"frame_p99_ms": frame.p99, "frame_max_ms": frame.max, "frames": frame.count}
    for name in ("cpu_ms_per_frame", "user_ms_per_frame", "system_ms_per_frame", "fps"):
        row[name] = getattr(result, name)
    row["deadline_misses"] = result.deadline_misses
    if result.cold is not None:
        row |= {f"cold_{name}": value for name, value in asdict(result.cold).items()}
    row |= {f"stage_{k}_p50_ms": v.p50 for k, v in (result.stages or {}).items()}
    row |= {"rss_mb": result.rss_mb, "peak_rss_mb": result.peak_rss_mb}
    row["checksum"] = result.checksum
    if result.shift is not None:
        row |= {
            "shift_median_px": result.shift.median_px,
            "shift_max_px": result.shift.max_px,
            "shift_against": result.shift.against,
        }
    for name in ("frame_comparison", "cpu_comparison"):
        comparison = getattr(result, name)
        if comparison is not None:
            row |= {f"{name}_ratio": comparison.ratio, f"{name}_verdict": comparison.verdict}
    return row | _flat_energy(result.energy)


def _flat_energy(figures: EnergyFigures | None) -> dict[str, object]:
    if figures is None:
        return {}
    net = figures.net_j_per_frame
    return {
        "energy_net_j_per_frame": net.mean if net else None,
        "energy_net_low_j": net.low if net else None,
        "energy_net_high_j": net.high if net else None,
        "energy_net_j_per_person": _mean(figures.net_j_per_person),
        "energy_battery_h": _mean(figures.battery_h),
        "energy_kind": figures.meter.kind if figures.meter else None,
        "energy_meter": figures.meter.name if figures.meter else None,
        "energy_reason": figures.reason,
    }


def _mean(interval: Interval | None) -> float | None:
    return interval.mean if interval else None


def _number(value: float | None, form: str = ".2f") -> str:
    return NONE if value is None else format(value, form)
