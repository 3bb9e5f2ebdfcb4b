"""The `bench` command: options, files, exit codes."""

from __future__ import annotations

import json
import threading
import time

import pytest
import typer

from litepose_edge.cli.bench import bench
from litepose_edge.cli.console import print_error, run_command
from litepose_edge.measure.bench.report.document import read_report, to_json
from litepose_edge.measure.energy import find_meters

QUICK = ["--seconds", "0.2", "--repeats", "2", "--threads", "1"]


def run(arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    app.command("bench")(bench)
    return run_command(app, ["bench", *arguments], print_error)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    arguments = ["default", "--precision", "int8,fp32", *QUICK, "--out", str(folder)]
    assert run(arguments) == 0
    return folder


def test_all_four_files_are_made_from_one_measurement(measured):
    document = json.loads((measured / "bench.json").read_text())
    assert document["schema"] == 1
    labels = [result["label"] for result in document["results"]]
    assert labels == [
        "lrpose-s int8, onnxruntime, 1 thread, 1 box given",
        "lrpose-s fp32, onnxruntime, 1 thread, 1 box given",
    ]
    for name in ("bench.md", "bench.csv", "bench.html"):
        text = (measured / name).read_text("utf-8")
        assert document["results"][0]["checksum"] in text
    assert document["noise"]["frame"]["repeats"] == 2
    assert document["results"][0]["shift"]["against"] == labels[1]


def test_an_earlier_document_is_shown_without_measuring(measured, tmp_path, capsys):
    assert run(["--read", str(measured / "bench.json"), "--out", str(tmp_path)]) == 0
    assert "Noise floor" in capsys.readouterr().out
    for name in ("bench.json", "bench.md", "bench.csv", "bench.html"):
        assert (tmp_path / name).read_bytes() == (measured / name).read_bytes()


def test_json_on_stdout_is_the_document_alone(measured, capsys):
    assert run(["--read", str(measured / "bench.json"), "--json"]) == 0
    assert capsys.readouterr().out == (measured / "bench.json").read_text()


def test_the_schema_can_be_printed(capsys):
    assert run(["--schema"]) == 0
    assert "Report" in json.loads(capsys.readouterr().out)["$defs"]


def test_the_meters_can_be_listed(capsys):
    assert run(["--list-meters"]) == 0
    assert "rapl" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--threads", "0"], 2),
        (["--threads", "two"], 2),
        (["--people", "1,none"], 2),
        (["--backend", "tensorrt"], 2),
        (["--precision", "int4"], 2),
        (["--repeats", "1"], 2),
        (["--energy"], 2),
        (["--mode", "paced", "--battery-wh", "20"], 2),
        (["--detector-size", "224"], 2),
        (["--watts-per-core", "3"], 2),
        (["--fps", "nan", "--list-meters"], 2),
        (["--seconds", "inf", "--list-meters"], 2),
        (["--meter-log-start", "nan", "--list-meters"], 2),
        (["--seconds", "5", "--list-meters"], 0),
        (["--seconds", "600", "--out", "/dev/null"], 1),  # before ten minutes are spent
        (["--mode", "paced", "--energy", "--meter", "no-such-meter"], 2),
        (["--mode", "paced", "--energy", "--meter-log", "no-such-file.csv"], 1),
        (["no-such-model"], 3),
        (["no/such/model.onnx"], 3),
        (["--source", "no-such-file.mp4"], 1),
        (["--read", "no-such-file.json"], 1),
    ],
)
def test_exit_codes(arguments, code, capsys):
    assert run(arguments) == code
    assert "Traceback" not in capsys.readouterr().err


def test_modelled_energy_says_so_in_every_file(tmp_path, capsys):
    arguments = ["--mode", "paced", *QUICK, "--energy", "--watts-per-core", "3"]
    windows = ["--energy-seconds", "0.7", "--idle-seconds", "0.1"]
    assert run([*arguments, *windows, "--out", str(tmp_path)]) == 0
    assert "MODELLED, not measured" in capsys.readouterr().out
    for name in ("bench.md", "bench.html"):
        assert "MODELLED, not measured" in (tmp_path / name).read_text("utf-8")
    assert "modelled" in (tmp_path / "bench.csv").read_text()
    energy = json.loads((tmp_path / "bench.json").read_text())["results"][0]["energy"]
    assert energy["meter"]["kind"] == "modelled"
    assert energy["repeats"] == 5


def test_an_external_meter_is_read_while_the_frames_run(tmp_path):
    log, done = tmp_path / "power.csv", threading.Event()
    log.write_text(f"time,power_mw\n{time.time() - 1},2000\n{time.time()},2000\n")

    def record():
        with log.open("a") as file:
            while not done.wait(0.02):
                file.write(f"{time.time():.6f},2000\n")
                file.flush()

    writer = threading.Thread(target=record)
    writer.start()
    try:
        arguments = ["--mode", "paced", *QUICK, "--energy", "--meter-log", str(log)]
        windows = ["--energy-seconds", "0.7", "--idle-seconds", "0.1"]
        assert run([*arguments, *windows, "--out", str(tmp_path)]) == 0
    finally:
        done.set()
        writer.join()
    energy = json.loads((tmp_path / "bench.json").read_text())["results"][0]["energy"]
    assert energy["reason"] is None
    assert energy["meter"]["kind"] == "measured"
    # Always 2 W: nothing above idle, 133 mJ a frame with it.
    assert energy["idle_w"] == pytest.approx(2, rel=1e-3)
    assert energy["net_j_per_frame"]["mean"] == pytest.approx(0, abs=1e-3)
    assert energy["gross_j_per_frame"]["mean"] == pytest.approx(2 / 15, rel=0.2)


def test_without_a_meter_the_energy_is_null_and_says_why(tmp_path):
    if find_meters().meters:
        pytest.skip("this machine has a meter")
    assert run(["--mode", "paced", *QUICK, "--energy", "--out", str(tmp_path)]) == 0
    energy = json.loads((tmp_path / "bench.json").read_text())["results"][0]["energy"]
    assert energy["net_j_per_frame"] is None
    assert "rapl: " in energy["reason"]
    assert "not measured: " in (tmp_path / "bench.md").read_text()


def test_paced_with_several_threads_adds_spinning_beside_the_default(monkeypatch, capsys):
    asked = []

    def run_all(configurations, plan, progress):
        asked.extend(configurations)
        raise KeyboardInterrupt

    monkeypatch.setattr("litepose_edge.cli.bench.run_all", run_all)
    assert run(["--mode", "paced", "--threads", "1,2", "--people", "1,found"]) == 130
    assert [(c.threads, c.engine, c.people) for c in asked] == [
        (2, "onnxruntime", 1),
        (2, "onnxruntime-spinning", 1),
        (1, "onnxruntime", 1),
        (2, "onnxruntime", None),
        (1, "onnxruntime", None),
    ]
    asked.clear()
    assert run(["--mode", "paced", "--no-spinning", "--threads", "2"]) == 130
    assert [c.engine for c in asked] == ["onnxruntime"]


def test_a_detector_size_is_measured_where_the_detector_finds_the_people(photographs, tmp_path):
    source = ["--source", str(photographs / "astronaut.png"), "--people", "1,found"]
    arguments = [*source, *QUICK, "--detector-size", "224", "--out", str(tmp_path)]
    assert run(arguments) == 0
    given, found = json.loads((tmp_path / "bench.json").read_text())["results"]
    assert given["label"] == "lrpose-s int8, onnxruntime, 1 thread, 1 box given"
    assert found["label"] == "lrpose-s int8, onnxruntime, 1 thread, people found at 224 px"
    assert found["configuration"]["detector_size"] == 224
    assert found["stages"]["detect"]["p50"] > 0
    assert found["error"] is None


def test_a_configuration_that_fails_is_exit_code_1_and_the_rest_is_saved(
    monkeypatch, measured, tmp_path, capsys
):
    good = json.loads((measured / "bench.json").read_text())
    good["results"][1] = {
        "configuration": good["results"][1]["configuration"],
        "label": "fp32",
        "error": "ModelError: broken",
    }
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(good))

    report = read_report(path)
    monkeypatch.setattr("litepose_edge.cli.bench.run_all", lambda *arguments: None)
    monkeypatch.setattr("litepose_edge.cli.bench.make_report", lambda *given, **named: report)
    assert run(["--out", str(tmp_path), *QUICK]) == 1
    assert "fp32: ModelError: broken" in capsys.readouterr().err
    assert (tmp_path / "bench.json").read_bytes() == to_json(report)


def test_several_models_are_measured_beside_each_other_and_named(monkeypatch):
    asked = []

    def run_all(configurations, plan, progress):
        asked.extend(configurations)
        raise KeyboardInterrupt

    monkeypatch.setattr("litepose_edge.cli.bench.run_all", run_all)
    assert run(["lrpose-n", "default", "lrpose-s", "--threads", "1", "--precision", "int8"]) == 130
    assert [(c.model, c.precision, c.threads) for c in asked] == [
        ("lrpose-n", "int8", 1),
        ("lrpose-s", "int8", 1),
    ]


def test_the_models_that_ran_are_in_the_document(measured):
    models = json.loads((measured / "bench.json").read_text())["models"]
    assert [(m["name"], m["precision"]) for m in models] == [
        ("lrpose-s", "int8"),
        ("lrpose-s", "fp32"),
    ]
    assert all(len(m["sha256"]) == 64 and m["size_bytes"] > 1e5 for m in models)


def test_reports_are_compared_side_by_side(measured, tmp_path, capsys):
    from litepose_edge.cli.app import run as whole_program

    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bench.json").write_bytes((measured / "bench.json").read_bytes())
    both = [str(tmp_path / name / "bench.json") for name in ("old", "new")]
    assert whole_program(["bench", "compare", *both, "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "A  old" in text
    assert "B  new" in text
    assert "no difference" in text or "too noisy" in text
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "compare.csv", "compare.html", "compare.md",
    ]  # fmt: skip
    assert whole_program(["bench", "compare", both[0]]) == 2
    assert whole_program(["bench", "compare", both[0], str(tmp_path / "none.json")]) == 1
