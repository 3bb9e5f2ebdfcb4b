"""The released models on a CPU with AVX2 and without VNNI, by user-mode emulation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from litepose_edge import backends, geometry
from litepose_edge.backends import bundled
from litepose_edge.decoding import heatmaps
from litepose_edge.geometry import Size
from litepose_edge.manifest import DetectorSpec, TopDownSpec
from litepose_edge.preprocess import Normalizer, warp
from litepose_edge.sources import read_image
from paths import HELPERS

SCRIPT = HELPERS / "avx2_outputs.py"
PEOPLE = {"astronaut": [(60, 0, 440, 511), (100, 0, 400, 300)], "camera": [(120, 60, 420, 511)]}


@pytest.fixture
def qemu(request):
    path = shutil.which(request.config.getoption("--qemu"))
    if path is None or os.uname().machine != "x86_64":
        pytest.skip("needs qemu-x86_64-static (Debian: qemu-user-static) on an x86-64 machine")
    return path


def batches_for(manifest, photographs):
    normalizer = Normalizer(manifest.input)
    batches = []
    for name, boxes in PEOPLE.items():
        image = read_image(photographs / f"{name}.png")
        affines = [geometry.letterbox_affine(Size.of(image), manifest.input.size)]
        if isinstance(manifest.model, TopDownSpec):
            affines = [
                geometry.crop_view(np.array(b), manifest.input.size, manifest.model.padding)
                for b in boxes
            ]
        for affine in affines:
            crop = warp(image, affine, manifest.input.size)
            batches += [normalizer(crop)[0].copy(), normalizer(cv2.flip(crop, 1))[0].copy()]
    return np.stack(batches)


def run(command, model, batches, out):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    subprocess.run([*command, SCRIPT, model, batches, out], check=True, env=environment)
    return np.load(out)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lrpose-n", "lrpose-s", "lrpose-m", "persondet"])
def test_avx2_gives_what_vnni_gives(name, qemu, photographs, tmp_path):
    model = bundled.FOLDER / f"{name}.int8.onnx"
    manifest = backends.find_model(model).manifest
    np.save(tmp_path / "batches.npy", batches_for(manifest, photographs))
    python = Path(sys.executable).resolve()
    here = run([sys.executable], model, tmp_path / "batches.npy", tmp_path / "here.npz")
    there = run(
        [qemu, "-cpu", "max", python], model, tmp_path / "batches.npy", tmp_path / "there.npz"
    )
    # The emulator has no VNNI: full-range products saturate there, which the probe must see.
    assert not there["exact"]
    if isinstance(manifest.model, DetectorSpec):
        for output in manifest.model.outputs:
            assert np.median(np.abs(here[output] - there[output])) < 0.01
        return
    spec = manifest.model
    cells, scores = heatmaps.decode_as(here["heatmaps"], spec.heatmaps, spec.skeleton)
    others, _ = heatmaps.decode_as(there["heatmaps"], spec.heatmaps, spec.skeleton)
    shift_px = 8 * np.linalg.norm(cells - others, axis=2)[scores > 0.3]
    assert len(shift_px) > 20
    assert np.median(shift_px) <= 0.25
