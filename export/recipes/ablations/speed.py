"""How fast the ablation study's networks are, in FP32 and in INT8, in turns.

    python -m recipes.ablations.speed [--seconds 60] [--out FILE]

Weights and calibration inputs are random: they decide where keypoints land and not how long it
takes. One thread of ONNX Runtime, one crop, all networks in turns; each is compared with the
first row's in INT8 of the same round.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from litepose_edge.backends import Session, open_bytes
from litepose_edge.manifest import InputSpec
from litepose_edge.measure.timing import time_in_turns
from litepose_export.conversion.to_onnx import GraphOptions, export_graph
from litepose_export.models.architectures.ablation import AblationPose, Parts
from litepose_export.quantization.calibration import qdq
from litepose_export.quantization.mixed_precision import float_nodes
from recipes.ablations.variants import INPUT, VARIANTS

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
        float_model, quantized = files(parts)
        sessions[name, "fp32"] = open_bytes(float_model.SerializeToString())
        sessions[name, "int8"] = open_bytes(quantized.SerializeToString())
    ratios = compare_latency(sessions, options.seconds)
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
    float_model = export_graph(AblationPose(parts).eval(), SPEC, ("heatmaps",), options)
    prepared = qdq.prepare(float_model)
    ranges = qdq.find_ranges(prepared, noise(4))
    kept_float = float_nodes.select(prepared, FLOAT)
    return float_model, qdq.write_qdq(prepared, ranges, "u8s8-reduced", kept_float)


def noise(count: int) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Random inputs."""
    rng = np.random.default_rng(0)
    return list(rng.standard_normal((count, 1, 3, INPUT.height, INPUT.width), np.float32))


def compare_latency(
    sessions: dict[tuple[str, str], Session], seconds: float
) -> dict[str, dict[str, float]]:
    """Median over the rounds of each session's time by the reference's of the same round."""
    batch = noise(1)[0]
    jobs = {" ".join(key): partial(session.run, batch) for key, session in sessions.items()}
    times = time_in_turns(jobs, rounds=LEAST_ROUNDS, seconds=seconds)
    ratios: dict[str, dict[str, float]] = {}
    for name, precision in sessions:
        ratio = times.median_ratio(f"{name} {precision}", to=" ".join(REFERENCE))
        ratios.setdefault(name, {})[precision] = round(ratio, 3)
    return ratios


if __name__ == "__main__":
    main()
