"""`litepose-edge info` says in words what the accuracy gate said."""

from __future__ import annotations

import msgspec
import pytest

onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.export

from litepose_edge import backends  # noqa: E402
from litepose_edge.backends import bundled  # noqa: E402
from litepose_edge.cli import app  # noqa: E402
from litepose_edge.manifest import METADATA_KEY, encode_manifest  # noqa: E402

SOURCE = bundled.FOLDER / "lrpose-n.int8.onnx"


def test_a_file_within_the_bounds_on_too_few_people_says_so(tmp_path, capsys):
    model, manifest = onnx.load(SOURCE), backends.find_model(SOURCE).manifest
    made = msgspec.structs.replace(
        manifest.quantization,
        gate="too few",
        bounds={"max_shift_px": 0.5, "min_oks": 0.9},
        intervals={"shift_px": (0.21, 0.26), "ap_drop": (-0.001, 0.004)},
    )
    described = msgspec.structs.replace(
        manifest, quantization=made, parity=manifest.parity | {"gate_people": 40.0}
    )
    onnx.helper.set_model_props(model, {METADATA_KEY: encode_manifest(described)})
    path = tmp_path / "few.onnx"
    onnx.save(model, path)
    assert app.run(["info", str(path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "within the bounds, on too few people to judge (40 people)" in said
    assert "median shift at most 0.5 px; OKS at least 0.9" in said
    assert "loss of AP -0.001 to 0.004; median shift 0.21 to 0.26 px" in said


def test_a_manifest_written_before_bounds_were_recorded_still_reads(tmp_path, capsys):
    model, manifest = onnx.load(SOURCE), backends.find_model(SOURCE).manifest
    made = msgspec.structs.replace(manifest.quantization, bounds={}, intervals={})
    old = msgspec.structs.replace(manifest, quantization=made)
    (entry,) = [e for e in model.metadata_props if e.key == METADATA_KEY]
    entry.value = encode_manifest(old)
    path = tmp_path / "old.onnx"
    onnx.save(model, path)
    assert app.run(["info", str(path)]) == 0
    said = capsys.readouterr().out
    assert "passed: INT8 stays within the bounds" in said
    assert "95 % intervals" not in said
