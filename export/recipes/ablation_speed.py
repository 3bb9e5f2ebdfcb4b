"""How fast the networks of `ablations.py` are, in FP32 and in INT8, beside each other.

    python export/recipes/ablation_speed.py [--seconds 60] [--out FILE]

Weights and calibration inputs are random: they decide where keypoints land and not how long it
takes. One thread of ONNX Runtime, one crop, all networks in turns; each is compared with the
first row's in INT8 of the same round.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from ablations import INPUT, VARIANTS

from litepose_edge.backends._onnxruntime import OnnxRuntimeSession
from litepose_edge.backends.session import Session
from litepose_edge.manifest import InputSpec
from litepose_export.conversion.to_onnx import GraphOptions, export_graph
from litepose_export.models.architectures.ablation import AblationPose, Parts
from litepose_export.quantization.calibration import qdq
from litepose_export.quantization.mixed_precision import float_nodes

REFERENCE = ("rce-8", "int8")
FLOAT = ("stem", "head")
SPEC = InputSpec(
    width=INPUT.width, height=INPUT.height, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1)
)
LEAST_ROUNDS = 20


def main() -> None:
    """Make the files, time them, write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of timing")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/experiments/runs/ablation-speed.json")
    )
    options = parser.parse_args()
    sessions: dict[tuple[str, str], Session] = {}
    for name, parts in architectures().items():
        exact, quantized = files(parts)
        sessions[name, "fp32"] = OnnxRuntimeSession(exact.SerializeToString(), threads=1)
        sessions[name, "int8"] = OnnxRuntimeSession(quantized.SerializeToString(), threads=1)
    ratios = race(sessions, options.seconds)
    for name in architectures():
        print(f"{name:16} int8 {ratios[name]['int8']:.2f}  fp32 {ratios[name]['fp32']:.2f}")
    options.out.write_text(json.dumps(ratios, indent=2) + "\n", "utf-8")


def architectures() -> dict[str, Parts]:
    """The first variant of each network."""
    found: dict[Parts, str] = {}
    for name, variant in VARIANTS.items():
        found.setdefault(variant.parts, name)
    return {name: parts for parts, name in found.items()}


def files(parts: Parts) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Float and INT8 graph of one network."""
    torch.manual_seed(0)
    options = GraphOptions(rewrite_deconvolutions=parts.head != "nearest")
    exact = export_graph(AblationPose(parts).eval(), SPEC, ("heatmaps",), options)
    prepared = qdq.prepare(exact)
    ranges = qdq.find_ranges(prepared, noise(4))
    left = float_nodes.select(prepared, FLOAT)
    return exact, qdq.write_qdq(prepared, ranges, "u8s8-reduced", left)


def noise(count: int) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Random inputs."""
    rng = np.random.default_rng(0)
    return list(rng.standard_normal((count, 1, 3, INPUT.height, INPUT.width), np.float32))


def race(sessions: dict[tuple[str, str], Session], seconds: float) -> dict[str, dict[str, float]]:
    """Median time of each by the reference's of the same round."""
    batch = noise(1)[0]
    rounds: list[list[float]] = []
    began = time.perf_counter()
    while len(rounds) < LEAST_ROUNDS or time.perf_counter() - began < seconds:
        taken = []
        for session in sessions.values():
            session.run(batch)  # the one before has just had the caches
            started = time.perf_counter()
            session.run(batch)
            taken.append(time.perf_counter() - started)
        rounds.append(taken)
    times = np.array(rounds)
    reference = times[:, list(sessions).index(REFERENCE)]
    medians = np.median(times / reference[:, None], axis=0)
    ratios: dict[str, dict[str, float]] = {}
    for (name, precision), median in zip(sessions, medians, strict=True):
        ratios.setdefault(name, {})[precision] = round(float(median), 3)
    return ratios


if __name__ == "__main__":
    main()
