"""The released networks as a part of what this machine's multipliers can do.

    python -m benchmarks.budget.limits [--rounds 20] [--json FILE]

The peaks are `torch.mm` (float32) and `torch._int_mm` (int8) of 2048x2048 matrices; a network's
rate is twice its multiply-accumulates divided by its latency. One thread, the process bound to
one CPU; peaks and networks take turns. Medians of the rounds; beside the wall clock's parts of
the peak stand those by CPU time, which programs beside this one disturb less. Needs torch and onnx
(extra export); OpenVINO where it is installed. The INT8 pose network is also run on eight crops at
once: larger matrices.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.budget.bars import Bar, finish
from benchmarks.processes import bind
from litepose_edge import backends
from litepose_edge.backends import Backend, Precision
from litepose_edge.measure.timing import Job, no_preparation, time_in_turns

MODELS = ("lrpose-s", "persondet")
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
SIDE = 2048
CALLS = 5
POSE = "lrpose-s"
BATCH = 8
BACKENDS: tuple[Backend, ...] = ("onnxruntime", "openvino")
# Percent of the int8 peak, by engine and crops at once.
BARS: dict[tuple[Backend, int], float] = {
    ("onnxruntime", 1): 74.0,
    ("openvino", 1): 62.0,
    ("openvino", BATCH): 80.0,
}


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """One released file in one engine, ready to run.

    Attributes:
        model: Its name.
        precision: `"fp32"` or `"int8"`.
        backend: What runs it.
        macs: Multiply-accumulates of a run.
        run: Runs it once.
        images: At once.
    """

    model: str
    precision: Precision
    backend: str
    macs: int
    run: Callable[[], Any]
    images: int = 1


def main() -> None:
    """Measure, print the table and the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the report here as well")
    options = parser.parse_args()
    missing = [name for name in ("torch", "onnx") if importlib.util.find_spec(name) is None]
    if missing:
        reason = f"{', '.join(missing)} not installed (extra export)"
        finish({}, budget({}, dict.fromkeys(BACKENDS, reason)), options.json)
        return
    bind(1)
    report = measure(load_files(), peaks(), options.rounds)
    print_table(report)
    missing_engines = {
        name: f"{name} is not installed"
        for name in BACKENDS
        if importlib.util.find_spec(name) is None
    }
    finish(report, budget(report, missing_engines), options.json)


def load_files() -> list[LoadedFile]:
    """Every released network in every engine that is installed."""
    from benchmarks.budget.onnx_macs import count

    found = []
    for backend in BACKENDS:
        if importlib.util.find_spec(backend) is None:
            continue
        for model in MODELS:
            for precision in PRECISIONS:
                opened = backends.find_model(model, precision=precision, backend=backend)
                session = opened.open(1)
                item = opened.manifest.input.shape
                macs = count(opened.path, item)
                together = (1, BATCH) if (model, precision) == (POSE, "int8") else (1,)
                for images in together:
                    batch = example(session.input, (images, *item))
                    run = partial(session.run, batch)
                    found.append(LoadedFile(model, precision, backend, images * macs, run, images))
    return found


def example(spec: backends.TensorSpec, free: tuple[int, ...]) -> np.ndarray:
    """A batch that fits an input; what the graph leaves free is taken from `free`."""
    shape = [n if isinstance(n, int) else own for n, own in zip(spec.shape, free, strict=True)]
    rng = np.random.default_rng(0)
    if "uint8" in spec.dtype or spec.dtype == "u8":
        return rng.integers(0, 256, shape, np.uint8)
    return rng.normal(0, 1, shape).astype(np.float32)


def peaks() -> dict[str, Callable[[], Any]]:
    """The matrix products that set the limit, by precision."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    whole = torch.randint(-128, 127, (2, SIDE, SIDE), dtype=torch.int8)
    real = torch.randn(2, SIDE, SIDE)
    return {
        "fp32": lambda: torch.mm(real[0], real[1]),
        "int8": lambda: torch._int_mm(whole[0], whole[1]),
    }


def measure(
    files: list[LoadedFile], products: dict[str, Callable[[], Any]], rounds: int
) -> dict[str, Any]:
    """Peaks in G operations a second, and every network's latency, rate and part of its peak."""
    jobs = {name: Job(product, prepare=no_preparation) for name, product in products.items()}
    jobs |= {str(number): Job(file.run, calls=CALLS) for number, file in enumerate(files)}
    times = time_in_turns(jobs, rounds=rounds, warm_up_rounds=1)

    def rates(name: str, macs: int) -> tuple[float, float]:
        """G operations a second, by the wall clock and by CPU time."""
        wall_ms, cpu_ms = (np.median(taken[name]) for taken in (times.wall_ms, times.cpu_ms))
        return 2 * macs / 1e6 / float(wall_ms), 2 * macs / 1e6 / float(cpu_ms)

    limits = {name: rates(name, SIDE**3) for name in products}
    rows = []
    for number, file in enumerate(files):
        rate, cpu_rate = rates(str(number), file.macs)
        limit, cpu_limit = limits[file.precision]
        rows.append(
            {
                "model": file.model,
                "precision": file.precision,
                "backend": file.backend,
                "images": file.images,
                "macs": file.macs,
                "latency_ms": times.median_ms(str(number)),
                "gops": rate,
                "percent_of_peak": 100 * rate / limit,
                "percent_of_peak_by_cpu_time": 100 * cpu_rate / cpu_limit,
            }
        )
    peak = {name: wall for name, (wall, _) in limits.items()}
    return {"rounds": rounds, "peak_gops": peak, "networks": rows}


def budget(report: dict[str, Any], missing: Mapping[Backend, str]) -> list[Bar]:
    """The budget's rows: the default pose network in INT8, on one crop and on several at once.

    Args:
        report: Of `measure`.
        missing: Why an engine has no figure.
    """
    found = {
        (row["backend"], row["images"]): row["percent_of_peak"]
        for row in report.get("networks", [])
        if (row["model"], row["precision"]) == (POSE, "int8")
    }
    return [
        Bar(
            name=f"LRPose-s INT8 rate, part of the int8 peak, {backend} x{images}",
            figure=found.get((backend, images)),
            limit=limit,
            at_least=True,
            unit=" %",
            reason=None if (backend, images) in found else missing[backend],
        )
        for (backend, images), limit in BARS.items()
    ]


def print_table(report: dict[str, Any]) -> None:
    """The report for people."""
    limits = report["peak_gops"]
    print(f"peaks, one thread: fp32 {limits['fp32']:.0f}, int8 {limits['int8']:.0f} G operations/s")
    print(f"{'':32}{'MMAC':>8}{'ms':>8}{'Gop/s':>8}{'of peak':>10}{'by CPU time':>13}")
    for row in report["networks"]:
        together = f" x{row['images']}" if row["images"] > 1 else ""
        name = f"{row['model']} {row['precision']} {row['backend']}{together}"
        print(
            f"{name:32}{row['macs'] / 1e6:8.1f}{row['latency_ms']:8.2f}{row['gops']:8.0f}"
            f"{row['percent_of_peak']:8.0f} %{row['percent_of_peak_by_cpu_time']:11.0f} %"
        )


if __name__ == "__main__":
    main()
