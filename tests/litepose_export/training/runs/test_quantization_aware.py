"""Quantization-aware fine-tuning from a float file to judged INT8 files."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = pytest.mark.export

from litepose_edge import backends  # noqa: E402
from litepose_edge.backends import bundled  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.errors import CheckpointError, ExportError  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.runs.quantization_aware import (  # noqa: E402
    FILE,
    QAT_OPTIONS,
    TWIN,
    train_quantized,
)
from litepose_export.training.runs.runner import RunOptions  # noqa: E402

SOURCE = bundled.FOLDER / "lrpose-s.fp32.onnx"
QUICK = replace(QAT_OPTIONS, count=6, gate_people=3, race_s=0)


def silent(what, total):
    return lambda: None


@pytest.fixture
def run(people_dataset, tmp_path):
    return RunOptions(
        data=(people_dataset,), dev=None, folder=tmp_path / "run", budget=Budget(steps=2),
        threads=1, init=SOURCE,
    )  # fmt: skip


def test_a_run_leaves_files_for_x86_and_arm_that_passed_the_gate(run):
    report = train_quantized(run, silent, QUICK)
    assert report.verdict == "passed"
    assert [stage.name for stage in report.stages][-1] == "following the float file"
    for name, scheme in ((FILE, "u8s8-reduced"), (TWIN, "s8s8")):
        quantization = backends.find_model(run.folder / name).manifest.quantization
        assert (quantization.scheme, quantization.gate) == (scheme, "passed")


def test_a_run_starts_from_a_float_file(run, tmp_path):
    with pytest.raises(CheckpointError, match=r"--init FILE\.onnx"):
        train_quantized(replace(run, init=tmp_path / "last.pt"), silent, QUICK)


def test_a_run_counts_steps(run):
    with pytest.raises(ExportError, match="--steps"):
        train_quantized(replace(run, budget=Budget(minutes=1)), silent, QUICK)


def test_only_networks_whose_crops_can_be_made_are_trained(people_dataset, tmp_path):
    arguments = [
        "train", "persondet", "--data", str(people_dataset), "--out", str(tmp_path), "--steps",
        "1", "--init", str(SOURCE), "--qat",
    ]  # fmt: skip
    assert app.run(arguments) == 2
