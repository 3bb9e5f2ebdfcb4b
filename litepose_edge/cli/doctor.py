"""`litepose-edge doctor`: what this machine has and whether the bundled models run on it."""

from __future__ import annotations

import importlib.metadata
import platform

import numpy as np

from litepose_edge import backends
from litepose_edge.backends import bundled
from litepose_edge.backends.session import available_threads
from litepose_edge.cli.console import results
from litepose_edge.estimator import Estimator

PACKAGES = ("litepose-edge", "numpy", "opencv-python-headless", "onnxruntime", "openvino", "torch")


def doctor() -> None:
    """Print versions, CPU and threads; load and run every bundled model."""
    results.print(f"python     {platform.python_version()} on {platform.platform()}", markup=False)
    results.print(f"cpu        {_cpu()}, {available_threads()} threads usable", markup=False)
    for package in PACKAGES:
        results.print(f"{package:<24} {_version(package)}")
    exact = "exact" if backends.u8s8_is_exact() else "saturates (reduced range is used)"
    results.print(f"full-range U8S8          {exact}")
    for name in bundled.names():
        found = backends.find_model(name)
        scheme = found.manifest.quantization.scheme if found.manifest.quantization else "float"
        results.print(f"{name:<24} {found.path.name}: loads, {scheme}")
    with Estimator() as estimator:
        poses = estimator.predict(np.zeros((240, 320, 3), np.uint8))
    results.print(f"predict                  runs ({len(poses)} people on black)")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a kernel file
            lines = [line for line in file if line.startswith(("model name", "Model"))]
    except OSError:
        lines = []
    return lines[0].split(":", 1)[1].strip() if lines else platform.processor() or "unknown"
