"""Reports side by side."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np

from bench_reports import configuration, outcome, report_of
from litepose_edge.measure.bench.report import comparison_pages
from litepose_edge.measure.bench.report.comparison import NamedReport, rows_of
from litepose_edge.measure.bench.report.document import MeasuredModel
from litepose_edge.measure.bench.runs.runner import ConfigurationRuns


def report(scale, seed, *threads, sha256="a" * 64, spread=0.01):
    """Frames of so many milliseconds with one thread, and half of it with two."""
    rng = np.random.default_rng(seed)

    def runs(count):
        ms = scale / count
        times = [rng.normal(ms, spread * ms, 40) for _ in range(4)]
        return ConfigurationRuns(
            configuration(threads=count, mode="throughput"), [outcome(t, ms) for t in times]
        )

    model = MeasuredModel(
        name="lrpose-s", precision="int8", file="s.onnx", size_bytes=2_000_000, sha256=sha256
    )
    return report_of([runs(n) for n in threads or (2, 1)], runs((threads or (2,))[0]), [model])


def named(*reports):
    return [NamedReport(f"board {n}", one) for n, one in enumerate(reports)]


def test_the_same_configurations_stand_in_one_row_with_ratios_to_the_first():
    rows = rows_of(named(report(4.0, 1), report(8.0, 2), report(4.0, 3)))
    assert [row.label for row in rows] == [
        "lrpose-s int8, onnxruntime, 2 threads, 1 box given",
        "lrpose-s int8, onnxruntime, 1 thread, 1 box given",
    ]
    for row in rows:
        first, slower, alike = row.cells
        assert (first.frame, first.cpu) == (None, None)
        assert (slower.frame.verdict, round(slower.frame.ratio)) == ("slower", 2)
        assert alike.frame.verdict == "no difference"
        assert alike.cpu.threshold >= 0


def test_the_floor_is_the_larger_one_of_both_runs():
    quiet, noisy = report(4.0, 1), report(4.4, 2, spread=0.4)
    floors = [one.noise.frame.relative for one in (quiet, noisy)]
    assert floors[0] < floors[1]
    (row, _) = rows_of(named(quiet, noisy))
    assert row.cells[1].frame.threshold >= floors[1]


def test_reports_of_different_models_are_compared_model_against_model():
    def of(name, scale, seed):
        one = report(scale, seed)
        results = [
            replace(r, configuration=(c := replace(r.configuration, model=name)), label=c.label)
            for r in one.results
        ]
        return replace(one, results=results)

    rows = rows_of(named(of("lrpose-n", 4.0, 1), of("own/net.onnx", 8.0, 2)))
    assert [row.label for row in rows] == [
        "lrpose-n int8 | net.onnx int8, onnxruntime, 2 threads, 1 box given",
        "lrpose-n int8 | net.onnx int8, onnxruntime, 1 thread, 1 box given",
    ]
    assert all(row.cells[1].frame.verdict == "slower" for row in rows)
    # With a model in common it is that one which is compared.
    several = rows_of(named(of("lrpose-n", 4.0, 1), of("net", 8.0, 2), of("lrpose-n", 4.0, 3)))
    assert [row.cells[2].frame is None for row in several] == [False, False, True, True]


def test_what_only_one_report_has_stands_alone():
    rows = rows_of(named(report(4.0, 1), report(4.0, 2, 4, 1)))
    assert [row.label.split(", ")[2] for row in rows] == ["2 threads", "1 thread", "4 threads"]
    assert rows[0].cells[1].result is None
    assert rows[2].cells[0].result is None
    assert rows[2].cells[1].frame is None
    cells = comparison_pages.body_rows(named(report(4.0, 1), report(4.0, 2, 4, 1)))[0]
    assert cells[2] == "-"
    assert cells[-1] == "-"


def test_the_pages_name_machines_commits_and_floors():
    one = report(4.0, 1)
    other = replace(
        report(8.0, 2),
        machine=replace(one.machine, cpu="<Cortex-A76>", revision="0123456789ab"),
    )
    both = named(one, other)
    text = comparison_pages.to_text(both)
    assert "<Cortex-A76>" in text
    assert "commit 0123456789ab" in text
    assert "frame x2.0" in text
    assert "Not the same weights" not in text
    page = comparison_pages.to_html(both)
    assert "&lt;Cortex-A76&gt;" in page
    assert "<Cortex" not in page
    assert page.count("<svg") == 2
    assert comparison_pages.to_markdown(both).count("\n| ") == 8
    rows = list(csv.DictReader(io.StringIO(comparison_pages.to_csv(both))))
    assert len(rows) == 4
    assert {row["frame_verdict"] for row in rows} == {"", "slower"}


def test_other_weights_of_the_same_name_are_said():
    both = named(report(4.0, 1), report(4.0, 2, sha256="b" * 64))
    assert "Not the same weights in all reports: lrpose-s int8." in comparison_pages.to_text(both)
