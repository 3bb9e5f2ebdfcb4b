"""Keeps the engines' telemetry off, unless the user asks for it.

ONNX Runtime 1.29 and newer leaves a device identifier and a queue of events in the user's cache
as soon as it is imported. OpenVINO and NNCF report their import to an analytics host, from a
process of their own, where the package `openvino-telemetry` is installed; without a home folder
they cannot be imported with it at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

VARIABLE = "LITEPOSE_EDGE_TELEMETRY"
# What a package reads when it is loaded, and what keeps it silent. Processes started later, such
# as workers, inherit them.
SWITCHES = {"ORT_DISABLE_TELEMETRY": "1", "RAY_USAGE_STATS_ENABLED": "0"}
OPENVINO_TELEMETRY = "openvino_telemetry"


def is_wanted() -> bool:
    """Whether the user asks for telemetry: `LITEPOSE_EDGE_TELEMETRY=1`."""
    return os.environ.get(VARIABLE) == "1"


def switch_off() -> None:
    """Set the switches that packages read when they are loaded; one set already stays as it is."""
    if not is_wanted():
        for name, value in SWITCHES.items():
            # Set to nothing is not set.
            os.environ[name] = os.environ.get(name) or value


def silence_onnxruntime(onnxruntime: Any) -> None:
    """No further events of an ONNX Runtime that the application loaded before us."""
    name = "ORT_DISABLE_TELEMETRY"
    if os.environ.get(name) == SWITCHES[name]:
        onnxruntime.disable_telemetry_events()


@contextmanager
def no_openvino_telemetry() -> Iterator[None]:
    """Packages imported inside find no `openvino_telemetry` and use their silent stand-in."""
    if is_wanted():
        yield
        return
    missing = object()
    before: Any = sys.modules.get(OPENVINO_TELEMETRY, missing)
    sys.modules[OPENVINO_TELEMETRY] = None  # type: ignore[assignment]  # how Python says "absent"
    try:
        yield
    finally:
        if before is missing:
            del sys.modules[OPENVINO_TELEMETRY]
        else:
            sys.modules[OPENVINO_TELEMETRY] = before
