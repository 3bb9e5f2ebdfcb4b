"""A report as rows: for the terminal, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict

from litepose_edge.measure.bench.report.document import Report, Result
from litepose_edge.measure.bench.report.noise import MOST_NOISE, Comparison
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
    return f"frame {difference_text(frame)}, CPU {difference_text(cpu, 'less', 'more')}"


def difference_text(comparison: Comparison, faster: str = "faster", slower: str = "slower") -> str:
    """A ratio, or that there is no difference; a noise as large as the figures tells neither."""
    if comparison.verdict == "no difference":
        if comparison.threshold >= MOST_NOISE:
            return "not told apart (too noisy)"
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
        f"median frame {noise_text(noise.frame.relative)}, "
        f"CPU time {noise_text(noise.cpu.relative)}; "
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


def noise_text(relative: float) -> str:
    """A floor in per cent; a floor as large as the figures is no figure."""
    if relative >= MOST_NOISE:
        return "too noisy to compare"
    return f"{100 * relative:.1f} %"


def energy_rows(report: Report) -> list[tuple[str, str]]:
    """Label and sentence of each configuration whose energy was asked for.

    Where no configuration has figures for one and the same reason, that is said once.
    """
    asked = [(r.label, r.energy) for r in report.results if r.energy is not None]
    rows = [(label, energy_text(figures)) for label, figures in asked]
    without = {figures.reason for _, figures in asked if figures.net_j_per_frame is None}
    if len(rows) > 1 and len(without) == 1 and len({text for _, text in rows}) == 1:
        return [("all configurations", rows[0][1])]
    return rows


def energy_text(figures: EnergyFigures) -> str:
    """Net joules a frame with their interval, or why there are none; modelled says so."""
    net = figures.net_j_per_frame
    if net is None or figures.meter is None:
        return f"not measured: {figures.reason}"
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
        (r.label, *(_number(ms, ".3f") for ms in stages_of(r))) for r in report.results if r.stages
    ]


def stages_of(result: Result) -> list[float | None]:
    """The medians of the stages that are a part of the frame, in milliseconds.

    None for the detector where boxes are given, and for a stage that took longer than the whole
    frame: it is measured apart, with crops one after the other, and other programs may have run.
    """
    frame = result.frame_ms
    found = result.configuration.people is None
    return [
        stage.p50 if (found or name != "detect") and frame and stage.p50 <= frame.p50 else None
        for name, stage in (result.stages or {}).items()
    ]


def model_rows(report: Report) -> list[tuple[str, ...]]:
    """The networks: name and precision, file, size, checksum."""
    return [
        (f"{m.name} {m.precision}", m.file, f"{m.size_bytes / 1e6:.1f} MB", m.sha256[:12])
        for m in report.models
    ]


def version_line(report: Report) -> str:
    """Version and commit of this package when it measured."""
    version = report.machine.packages.get("litepose-edge") or "unknown version"
    commit = report.machine.revision
    return f"litepose-edge {version}" + (f", commit {commit}" if commit else "")


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
        f"{machine_line(report)}\n{version_line(report)}",
        aligned(MODEL_COLUMNS, model_rows(report)),
        aligned(COLUMNS[:FIRST_TEXT_COLUMN], [row[:FIRST_TEXT_COLUMN] for row in body]),
        aligned(texts, [(row[0], *row[FIRST_TEXT_COLUMN:]) for row in body]),
        aligned(STAGE_COLUMNS, stage_rows(report)),
        aligned(COLD_COLUMNS, cold_rows(report)),
        "\n".join(f"energy, {label}: {text}" for label, text in energy_rows(report)),
        "\n".join(footnotes(report)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def aligned(titles: tuple[str, ...], body: Sequence[tuple[str, ...]]) -> str:
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
MODEL_COLUMNS = ("model", "file", "size", "sha256")
COLD_COLUMNS = ("cold start, mean ms", "start", "load", "first", "RSS MB", "peak MB")


def to_markdown(report: Report) -> str:
    """The report as Markdown."""
    parts = [
        "# Benchmark",
        f"{machine_line(report)}; {version_line(report)}; {report.created}",
        markdown_table(COLUMNS, rows(report)),
        "\n".join(f"- {note}" for note in footnotes(report)),
    ]
    if models := model_rows(report):
        parts.append(markdown_table(MODEL_COLUMNS, models))
    if stages := stage_rows(report):
        parts.append(markdown_table(STAGE_COLUMNS, stages))
    if cold := cold_rows(report):
        parts.append(markdown_table(COLD_COLUMNS, cold))
    if energy := energy_rows(report):
        parts.append(markdown_table(("energy", "net"), energy))
    return "\n\n".join(parts) + "\n"


def markdown_table(titles: tuple[str, ...], body: Sequence[tuple[str, ...]]) -> str:
    """A table of Markdown."""
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
