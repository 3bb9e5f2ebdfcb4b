"""Loads an example as a module, to call what is in it."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from paths import ROOT


def example(name: str) -> ModuleType:
    """`examples/NAME.py` as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
