"""Benchmarks: what a report makes of the processes' outcomes."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest

from bench_reports import configuration, outcome, report_of
from litepose_edge.errors import SourceError
from litepose_edge.measure.bench.report import tables
from litepose_edge.measure.bench.report.document import (
    MeasuredModel,
    json_schema,
    read_report,
    to_json,
)
from litepose_edge.measure.bench.report.page import to_html
from litepose_edge.measure.bench.runs.configuration import MeasurementPlan
from litepose_edge.measure.bench.runs.figures import summarize
from litepose_edge.measure.bench.runs.runner import ConfigurationRuns, count_runs
from litepose_edge.measure.bench.runs.stages import STAGES
from litepose_edge.measure.bench.runs.worker import Outcome
from litepose_edge.measure.energy import EnergyFigures, MeterInfo
from litepose_edge.measure.energy.interval import Interval

METER = MeterInfo("rapl:package-0", "measured", "the package", "1 ms", "unknown")
MODEL = MeterInfo("modelled", "modelled", "a formula", "none", "unknown")


def sample_report(energy=None):
    rng = np.random.default_rng(0)

    def runs(scale, **changes):
        return [outcome(rng.normal(scale, 0.01 * scale, 40), scale, **changes) for _ in range(4)]

    base = ConfigurationRuns(configuration(), runs(3.0), energy)
    spinning = ConfigurationRuns(
        configuration(engine="onnxruntime-spinning"), runs(30.0, keypoint=11.5)
    )
    alike = ConfigurationRuns(configuration(threads=2), runs(3.0))
    failed = ConfigurationRuns(
        configuration(engine="openvino"), [Outcome(error="ModelError: broken")]
    )
    return report_of([base, spinning, alike, failed], ConfigurationRuns(configuration(), runs(3.0)))


def test_the_report_pools_all_processes_and_names_what_failed():
    report = sample_report()
    base, spinning, alike, failed = report.results
    assert base.frame_ms.count == 160
    assert len(base.repeats_ms) == 4
    assert base.user_ms_per_frame == pytest.approx(3 * base.system_ms_per_frame, rel=1e-3)
    assert base.deadline_misses == 4
    assert base.frame_comparison is None
    assert spinning.cpu_comparison.ratio == pytest.approx(10, rel=0.05)
    assert spinning.cpu_comparison.verdict == "slower"
    assert alike.frame_comparison.verdict == "no difference"
    assert failed.error == "ModelError: broken"
    assert failed.frame_ms is None


def test_keypoints_that_moved_show_beside_the_speed():
    report = sample_report()
    assert report.results[1].shift.median_px == pytest.approx(1.5)
    assert report.results[2].shift.median_px == 0
    assert "1.50 px" in tables.to_text(report)


def test_processes_that_disagree_about_the_keypoints_have_no_checksum():
    first, second = outcome([1.0, 1.0]), outcome([1.0, 1.0], keypoint=11.0)
    report = report_of(
        [ConfigurationRuns(configuration(), [first, second])],
        ConfigurationRuns(configuration(), [first]),
    )
    assert report.results[0].checksum is None
    assert "differ between runs" in tables.to_text(report)


def test_without_a_second_half_there_is_no_floor_and_no_verdict():
    runs = [outcome([1.0, 1.1]) for _ in range(3)]
    measured = [
        ConfigurationRuns(configuration(), runs),
        ConfigurationRuns(configuration(threads=2), runs),
    ]
    report = report_of(measured, ConfigurationRuns(configuration(), [Outcome(error="ended")]))
    assert report.noise is None
    assert report.results[1].frame_comparison is None
    assert "Noise floor: not known" in tables.to_text(report)


def test_the_fp32_configuration_is_the_reference_of_the_keypoints():
    runs = [outcome([1.0, 1.1]) for _ in range(2)]
    measured = [
        ConfigurationRuns(configuration(), runs),
        ConfigurationRuns(configuration(precision="fp32"), runs),
    ]
    report = report_of(measured, measured[0])
    assert report.results[0].shift.against.startswith("lrpose-s fp32")
    assert report.results[1].shift is None


def test_only_configurations_with_as_many_people_are_compared():
    runs = [outcome([1.0, 1.1]), outcome([1.1, 1.2])]
    measured = [
        ConfigurationRuns(configuration(people=people, threads=threads), runs)
        for people in (1, 5)
        for threads in (2, 1)
    ]
    report = report_of(measured, ConfigurationRuns(configuration(threads=2), runs))
    assert [result.is_baseline for result in report.results] == [True, False, True, False]
    assert [r.frame_comparison is None for r in report.results] == [True, False, True, False]
    assert report.results[3].shift.against == report.results[2].label
    assert tables.to_text(report).count(" baseline ") == 3  # the title and two rows


def test_the_json_document_comes_back_as_it_was(tmp_path):
    report = sample_report()
    path = tmp_path / "bench.json"
    path.write_bytes(to_json(report))
    assert read_report(path) == report
    assert json.loads(path.read_text())["schema"] == 1


@pytest.mark.parametrize("content", ["", "{}", '{"schema": 2}', "[1]", "[" * 50_000])
def test_another_document_is_refused(tmp_path, content):
    path = tmp_path / "bench.json"
    path.write_text(content)
    with pytest.raises(SourceError, match="no benchmark report"):
        read_report(path)


def matches(value, rule, parts):
    """Whether a value has exactly the fields its schema names, all the way down."""
    if "$ref" in rule:
        return matches(value, parts[rule["$ref"].rpartition("/")[2]], parts)
    if "anyOf" in rule:
        return any(matches(value, option, parts) for option in rule["anyOf"])
    if rule.get("type") == "null" or value is None:
        return value is None and rule.get("type") == "null"
    if "properties" in rule:
        return (
            isinstance(value, dict)
            and set(value) == set(rule["properties"])
            and all(matches(value[name], rule["properties"][name], parts) for name in value)
        )
    if isinstance(rule.get("items"), dict):
        return all(matches(inner, rule["items"], parts) for inner in value)
    return True


def test_the_schema_describes_every_field_of_the_document():
    schema = json_schema()
    document = json.loads(to_json(sample_report()))
    assert matches(document, schema, schema["$defs"])
    document["results"][1]["frame_ms"]["p42"] = 1.0
    assert not matches(document, schema, schema["$defs"])


def test_the_csv_has_a_row_a_configuration_and_the_figures_of_the_document():
    report = sample_report()
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(report))))
    assert len(rows) == 4
    assert float(rows[0]["frame_max_ms"]) == report.results[0].frame_ms.max
    assert float(rows[1]["cpu_ms_per_frame"]) == report.results[1].cpu_ms_per_frame
    assert rows[1]["cpu_comparison_verdict"] == "slower"
    assert rows[3]["error"] == "ModelError: broken"
    assert rows[3]["frame_p50_ms"] == ""


def test_the_markdown_tables_are_rectangular():
    blocks = tables.to_markdown(sample_report()).split("\n\n")
    found = [block.splitlines() for block in blocks if block.startswith("|")]
    assert len(found) == 3
    for lines in found:
        assert len({line.count(" | ") for line in lines}) == 1
        assert lines[1].count("---") == lines[0].count(" | ") + 1


def test_the_text_says_the_floor_and_what_is_no_difference():
    text = tables.to_text(sample_report())
    assert "Noise floor (A/A, 4 processes each)" in text
    assert "no difference (below" in text
    assert "x10." in text
    assert "failed: ModelError: broken" in text


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (EnergyFigures(meter=None, reason="rapl: no /sys"), "not measured: rapl: no /sys"),
        (EnergyFigures(meter=METER, reason="it was reset"), "not measured: it was reset"),
        (
            EnergyFigures(
                meter=METER, net_j_per_frame=Interval(0.04, 0.03, 0.05), repeats=5, idle_w=2.0
            ),
            "40.00 mJ a frame +- 10.00 (95 %, 5 repeats) above 2.00 W idle; rapl:package-0",
        ),
        (
            EnergyFigures(
                meter=MODEL, net_j_per_frame=Interval(0.04, 0.03, 0.05), repeats=5, idle_w=0.0
            ),
            "MODELLED, not measured: 40.00 mJ",
        ),
        (
            EnergyFigures(
                meter=METER,
                net_j_per_frame=Interval(0.04, 0.03, 0.05),
                net_j_per_person=Interval(0.02, 0.015, 0.025),
                repeats=5,
                idle_w=2.0,
                battery_wh=37.0,
                battery_h=Interval(8.0, 7.5, 8.6),
            ),
            ", 20.00 mJ a person, above 2.00 W idle",
        ),
    ],
)
def test_energy_is_measured_modelled_or_null_with_the_reason(figures, said):
    report = sample_report(Outcome(energy=figures))
    assert said in tables.to_text(report)
    assert said in tables.to_markdown(report)
    kind = figures.meter.kind if figures.meter else None
    assert json.loads(to_json(report))["results"][0]["energy"]["net_j_per_frame"] == (
        None if figures.net_j_per_frame is None else {"mean": 0.04, "low": 0.03, "high": 0.05}
    )
    (row, *_) = csv.DictReader(io.StringIO(tables.to_csv(report)))
    assert row["energy_kind"] == (kind or "")


def test_runs_are_counted_with_the_second_half_and_the_energy():
    two = [configuration(), configuration(threads=2)]
    assert count_runs(two, MeasurementPlan(repeats=5)) == 15
    assert count_runs(two, MeasurementPlan(repeats=5, energy_repeats=3)) == 17


def test_every_label_names_the_model_and_who_the_boxes_are_for():
    assert configuration().label == "lrpose-s int8, onnxruntime, 1 thread, 1 box given"
    assert configuration(people=5, threads=2).label.endswith("2 threads, 5 boxes given")
    found = configuration(people=None, precision=None, model="nets/own.onnx", detector_size=224)
    assert found.label == "own.onnx, onnxruntime, 1 thread, people found at 224 px"


def test_keypoints_of_another_model_are_not_compared():
    runs = [outcome([1.0, 1.1]), outcome([1.1, 1.2])]
    other = ConfigurationRuns(configuration(model="lrpose-n"), runs)
    measured = [
        ConfigurationRuns(configuration(), runs),
        ConfigurationRuns(configuration(precision="fp32"), runs),
        other,
    ]
    report = report_of(measured, measured[0])
    assert report.results[0].shift.against == report.results[1].label
    assert report.results[2].shift is None
    assert report.results[2].frame_comparison.verdict == "no difference"


def test_a_noise_as_large_as_the_figures_is_no_figure():
    runs = [outcome([ms] * 2) for ms in (0.1, 50.0)]
    measured = [ConfigurationRuns(configuration(threads=n), runs) for n in (2, 1)]
    text = tables.to_text(report_of(measured, measured[0]))
    assert "not told apart (too noisy)" in text
    assert "median frame too noisy to compare" in text
    assert max(float(part) for part in re.findall(r"([\d.]+) %", text)) < 100


def test_a_stage_is_shown_only_as_a_part_of_its_frame():
    stages = {name: summarize([ms]) for name, ms in zip(STAGES, (4.0, 1.0, 9.0, 0.5), strict=True)}
    runs = [outcome([5.0, 5.0], stages=stages) for _ in range(2)]
    measured = [ConfigurationRuns(configuration(people=people), runs) for people in (1, None)]
    report = report_of(measured, measured[0])
    given, found = tables.stage_rows(report)
    assert given[1:] == ("-", "1.000", "-", "0.500")
    assert found[1:] == ("4.000", "1.000", "-", "0.500")


def test_why_there_is_no_meter_is_said_once():
    nothing = Outcome(energy=EnergyFigures(meter=None, reason="rapl: no /sys"))
    runs = [outcome([1.0, 1.1]) for _ in range(2)]
    measured = [ConfigurationRuns(configuration(threads=n), runs, nothing) for n in (2, 1)]
    assert tables.to_text(report_of(measured, measured[0])).count("rapl: no /sys") == 1


def test_models_and_the_commit_are_named():
    model = MeasuredModel(
        name="lrpose-s", precision="int8", file="lrpose-s.onnx", size_bytes=2_000_000,
        sha256="0123456789abcdef",
    )  # fmt: skip
    runs = ConfigurationRuns(configuration(), [outcome([1.0, 1.1]), outcome([1.0, 1.1])])
    report = report_of([runs], runs, models=[model])
    for text in (tables.to_text(report), tables.to_markdown(report), to_html(report)):
        assert "lrpose-s int8" in text
        assert "0123456789ab" in text
        assert tables.version_line(report) in text
