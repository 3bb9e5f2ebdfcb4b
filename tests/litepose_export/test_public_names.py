"""The front door: what is public, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
import types

import litepose_export


def test_everything_public_is_listed():
    public = {
        name
        for name, value in vars(litepose_export).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert public == set(litepose_export.__all__)


def test_importing_loads_no_heavy_package():
    code = (
        "import sys, litepose_export\n"
        "print([m for m in ('torch', 'onnx', 'openvino', 'scipy', 'nncf') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
