"""What the doctor finds out, on recorded machines and with engines that misbehave."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import msgspec
import pytest

from litepose_edge.cli.app import run
from litepose_edge.measure.doctor.diagnosis import Diagnosis, advise, diagnose, json_schema, to_json
from litepose_edge.measure.doctor.engines import EngineReport, examine_apart
from litepose_edge.measure.doctor.examination import Findings, ModelState, examine
from recorded_machines import (
    OLD_X86,
    RASPBERRY_PI_4,
    ROCK_5,
    X86,
    recorded_files,
    recorded_processor,
)


@pytest.fixture
def fake_engine(tmp_path, monkeypatch):
    """Puts a module that does something else in an engine's place, in other processes too."""

    def install(code, name="onnxruntime"):
        folder = tmp_path / "engines"
        folder.mkdir()
        (folder / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, name, raising=False)

    return install


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
def test_an_engine_that_dies_of_an_illegal_instruction_does_not_end_the_doctor(
    fake_engine,
):
    fake_engine("import os, signal\nos.kill(os.getpid(), signal.SIGILL)")
    found = examine_apart("onnxruntime")
    assert found.state == "fails"
    assert found.trouble == "killed by SIGILL: it was built for another processor"


def test_an_engine_that_hangs_is_given_up(fake_engine):
    fake_engine("import time\ntime.sleep(60)")
    assert examine_apart("onnxruntime", 3).trouble == "gave no answer within 3 s"


def test_an_engine_that_does_not_import_is_quoted(fake_engine):
    fake_engine("raise ImportError('no libfoo.so')")
    assert examine_apart("onnxruntime").trouble == "ImportError: no libfoo.so"


def test_an_engine_that_is_not_there_is_no_failure(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert examine_apart("openvino").state == "not installed"


def test_a_machine_that_starts_no_processes_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    assert "could not be started" in examine_apart("onnxruntime").trouble


def test_an_engine_that_works_loads_every_model():
    found = examine_apart("onnxruntime")
    assert found.state == "works"
    assert {(m.name, m.precision) for m in found.findings.models} == {
        ("lrpose-m", "int8"),
        ("lrpose-n", "int8"),
        *(
            (name, precision)
            for name in ("lrpose-s", "persondet")
            for precision in ("int8", "fp32")
        ),
    }
    assert all(m.error is None for m in found.findings.models)
    assert found.findings.people_on_black == 0
    assert found.findings.int8_of_fp32 > 0


def test_a_model_that_does_not_load_is_named_and_the_others_are_tried(monkeypatch):
    from litepose_edge.backends import bundled
    from litepose_edge.errors import ModelIntegrityError

    real = bundled.find

    def find(name, precision):
        if (name, precision) == ("lrpose-s", "int8"):
            raise ModelIntegrityError("it was changed")
        return real(name, precision)

    monkeypatch.setattr(bundled, "find", find)
    found = examine("onnxruntime")
    assert len(found.models) == 6
    errors = {(m.name, m.precision): m.error for m in found.models if m.error is not None}
    assert errors == {("lrpose-s", "int8"): "it was changed"}
    assert found.people_on_black is None
    assert found.int8_of_fp32 is None


def works(*, exact=True, ratio=0.4, models=()):
    findings = Findings(
        version="1", models=models, full_range_exact=exact, int8_of_fp32=ratio, people_on_black=0
    )
    return EngineReport(name="onnxruntime", state="works", findings=findings)


@pytest.mark.parametrize(
    ("architecture", "text", "engine", "scheme", "word"),
    [
        ("x86_64", X86, works(), "u8s8-reduced", "exact here too"),
        ("x86_64", OLD_X86, works(exact=False), "u8s8-reduced", "saturates"),
        ("x86_64", OLD_X86, works(exact=False, ratio=1.2), "fp32", "1.20 times as long"),
        ("aarch64", ROCK_5, works(), "s8s8", "0.40 of FP32's time"),
        ("aarch64", ROCK_5, works(), "s8s8", "With dot products INT8 takes 0.32"),
        ("aarch64", RASPBERRY_PI_4, works(), "s8s8", "Without dot products INT8 takes 0.82"),
        ("aarch64", RASPBERRY_PI_4, works(), "s8s8", "lrpose-n"),
        (
            "x86_64",
            X86,
            EngineReport(name="onnxruntime", state="fails", trouble="x"),
            "u8s8-reduced",
            "could not be tried",
        ),
    ],
)
def test_the_kind_of_file_follows_processor_and_trial(
    tmp_path, architecture, text, engine, scheme, word
):
    advice = advise(recorded_processor(tmp_path, text, architecture), (engine,))
    assert advice.scheme == scheme
    assert word in advice.why


def test_a_recorded_board_is_diagnosed_from_its_files(tmp_path):
    files = {
        "proc/cpuinfo": ROCK_5,
        "proc/device-tree/model": "Radxa ROCK 5B\0",
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cpu.max": "10000 100000\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    }
    broken = ModelState(name="lrpose-s", precision="int8", error="it was changed")
    found = diagnose(
        recorded_files(tmp_path, files),
        architecture="aarch64",
        examine=lambda _: works(models=(broken,)),
    )
    assert found.board == "Radxa ROCK 5B"
    assert found.processor.name == "4 x Cortex-A55, 4 x Cortex-A76"
    assert found.int8.scheme == "s8s8"
    assert found.usable_threads == 1
    said = " ".join(found.advice)
    for word in ("0.1 processors", "threads=1", "governor is ondemand", "it was changed"):
        assert word in said


def test_the_document_is_what_its_schema_says():
    text = to_json(diagnose(examine=lambda _: works()))
    assert json.loads(text)["schema"] == 1
    assert msgspec.json.decode(text, type=Diagnosis, strict=True).works
    described = json_schema()["$defs"]["Diagnosis"]
    assert set(described["required"]) == set(json.loads(text))


def test_the_command_prints_what_was_found_as_text_and_as_json(monkeypatch, capsys):
    found = diagnose(examine=lambda _: works())
    monkeypatch.setattr("litepose_edge.cli.doctor.diagnose", lambda: found)
    assert run(["doctor"]) == 0
    text = capsys.readouterr().out
    assert found.processor.name in text
    assert found.int8.why in text
    assert run(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["processor"]["name"] == found.processor.name
    assert run(["doctor", "--schema"]) == 0
    assert "Diagnosis" in json.loads(capsys.readouterr().out)["$defs"]


def test_an_engine_that_fails_is_exit_code_3_and_the_rest_is_printed(monkeypatch, capsys):
    failing = EngineReport(name="onnxruntime", state="fails", trouble="killed by SIGILL")
    found = diagnose(examine=lambda _: failing)
    monkeypatch.setattr("litepose_edge.cli.doctor.diagnose", lambda: found)
    assert run(["doctor"]) == 3
    text = capsys.readouterr().out
    assert "killed by SIGILL" in text
    assert "python" in text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
def test_the_whole_command_survives_an_engine_that_kills_its_process(fake_engine):
    fake_engine("import os, signal\nos.kill(os.getpid(), signal.SIGILL)")
    done = subprocess.run(
        [sys.executable, "-c", "from litepose_edge.cli import main; main()", "doctor"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert done.returncode == 3
    assert "built for another processor" in done.stdout
    assert "Traceback" not in done.stderr
