"""Loads an example as a module, to call what is in it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from paths import ROOT


def example_path(name: str) -> Path:
    """The example of that name, in whichever folder of `examples/`."""
    (path,) = (ROOT / "examples").glob(f"*/{name}.py")
    return path


def example(name: str) -> ModuleType:
    """The example of that name as a module."""
    path = example_path(name)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
