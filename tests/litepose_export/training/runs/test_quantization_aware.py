"""Quantization-aware fine-tuning from a float file to checked INT8 files."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = pytest.mark.export

from litepose_edge import backends  # noqa: E402
from litepose_edge.backends import bundled  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.errors import CheckpointError, ExportError  # noqa: E402
from litepose_export.models.architectures.lrpose import ARCHS  # noqa: E402
from litepose_export.training.runs.options import QuantizationAwareRunOptions  # noqa: E402
from litepose_export.training.runs.quantization_aware import (  # noqa: E402
    ARM_FILE,
    QAT_OPTIONS,
    X86_FILE,
    train_quantized,
)

SOURCE = bundled.FOLDER / "lrpose-s.fp32.onnx"
QUICK = replace(QAT_OPTIONS, count=6, gate_people=3, latency_s=0)


def started(what, total):
    return lambda: None


@pytest.fixture
def options(people_dataset, tmp_path):
    return QuantizationAwareRunOptions(
        data=(people_dataset,), folder=tmp_path / "run", threads=1, init=SOURCE, steps=2
    )


def test_a_run_leaves_files_for_x86_and_arm_that_passed_the_gate(options):
    report = train_quantized("lrpose-s", options, started, QUICK)
    assert report.verdict == "too few"
    assert report.steps[-1].name == "fine-tuning to the float outputs"
    for name, scheme in ((X86_FILE, "u8s8-reduced"), (ARM_FILE, "s8s8")):
        quantization = backends.find_model(options.folder / name).manifest.quantization
        assert (quantization.scheme, quantization.gate) == (scheme, "too few")


def test_a_file_without_people_is_no_hindrance(options, unlabelled_dataset):
    data = (*options.data, unlabelled_dataset)
    train_quantized("lrpose-s", replace(options, data=data, steps=1), started, QUICK)
    assert (options.folder / X86_FILE).exists()


def test_a_run_starts_from_a_float_file(options, tmp_path):
    with pytest.raises(CheckpointError, match=r"--init FILE\.onnx"):
        train_quantized("lrpose-s", replace(options, init=tmp_path / "last.pt"), started, QUICK)


@pytest.mark.parametrize(
    ("network", "init", "message"),
    [
        ("lrpose-m", SOURCE, "is of 'lrpose-s', asked for is lrpose-m"),
        ("lrpose-s", bundled.FOLDER / "persondet.fp32.onnx", "is of 'persondet'"),
        ("lrpose-s", bundled.FOLDER / "lrpose-s.int8.onnx", "quantized already"),
    ],
)
def test_a_file_of_another_network_is_refused_before_people_are_loaded(
    network, init, message, options, tmp_path
):
    nowhere = replace(options, init=init, data=(tmp_path / "none.json",))
    with pytest.raises(ExportError, match=message):
        train_quantized(network, nowhere, started, QUICK)
    assert not options.folder.exists()


def test_a_file_of_a_found_network_is_taken_for_that_network_only(tmp_path, capsys):
    found = tmp_path / "network.json"
    size = {"width": 64, "height": 96}
    found.write_text(json.dumps({"family": "lrpose", "input_size": size, **asdict(ARCHS["n"])}))
    data = ["--data", str(tmp_path / "none.json"), "--out", str(tmp_path / "run")]
    qat = ["--qat", "--init", str(SOURCE), "--steps", "1"]
    assert app.run(["train", str(found), *data, *qat]) == 3
    assert "asked for is lrpose-network" in " ".join(capsys.readouterr().err.split())


def test_minutes_are_refused(people_dataset, tmp_path, capsys):
    arguments = ["train", "lrpose-s", "--data", str(people_dataset), "--out", str(tmp_path)]
    assert app.run([*arguments, "--qat", "--init", str(SOURCE), "--minutes", "1"]) == 2
    assert "--steps" in capsys.readouterr().err
