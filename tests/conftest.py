"""What tests share: markers that skip by themselves, data that may be absent, what has passed."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from figures import write_figures
from litepose_edge.errors import BackendUnavailableError
from litepose_edge.sources.photographs import scikit_image_photographs
from paths import SHARED

# OpenVINO would otherwise leave compiled models in the home folder of whoever runs the tests.
os.environ.setdefault("LITEPOSE_EDGE_CACHE", tempfile.mkdtemp(prefix="litepose-tests-"))
# Tests that import OpenVINO by themselves must not report it either.
sys.modules["openvino_telemetry"] = None
NEEDS = {"export": ("torch", "onnx", "onnxsim"), "nncf": ("nncf",), "openvino": ("openvino",)}
# A test module that is nothing without one of these, and how it says so.
PACKAGES = r"(torch|onnx|openvino|nncf)\b"
SKIPS = re.compile(rf"^(?:\w+ = )?pytest\.importorskip\(\"{PACKAGES}", re.MULTILINE)
IMPORTS = re.compile(rf"^(?:import|from) {PACKAGES}", re.MULTILINE)
_passed_here: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-passed", help="write the names of passed tests here")
    parser.addoption("--without-passed", help="leave out the tests named here")
    parser.addoption("--qemu", default="qemu-x86_64-static", help="user-mode x86-64 emulator")
    parser.addoption("--arm", default=None, help="folder that arm_machine.py prepared")


def pytest_configure(config: pytest.Config) -> None:
    recorded = config.getoption("--record-passed")
    if recorded is not None and not hasattr(config, "workerinput"):
        Path(recorded).unlink(missing_ok=True)


# Before pytest's own, which selects by markers.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    known = config.getoption("--without-passed")
    if known is not None:
        # Not written where one failed: then all are run again.
        record = Path(known)
        passed = set(record.read_text("utf-8").splitlines()) if record.exists() else set()
        config.hook.pytest_deselected(items=[i for i in items if i.nodeid in passed])
        items[:] = [item for item in items if item.nodeid not in passed]
    for item in items:
        marked = any(item.get_closest_marker(marker) for marker in NEEDS)
        if marked or _is_heavy(item.path):
            item.add_marker("extras")
        for marker, packages in NEEDS.items():
            missing = [p for p in packages if importlib.util.find_spec(p) is None]
            if item.get_closest_marker(marker) and missing:
                reason = f"needs the extra '{marker}' ({', '.join(missing)} not installed)"
                item.add_marker(pytest.mark.skip(reason=reason))


@functools.cache
def _is_heavy(module: Path) -> bool:
    text = module.read_text("utf-8")
    return SKIPS.search(text) is not None or IMPORTS.search(text) is not None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """A module that imports what is not installed, and does not skip by itself, is left out."""
    if collection_path.suffix == ".py" and collection_path.name.startswith("test_"):
        text = collection_path.read_text("utf-8")
        needed, skips = IMPORTS.search(text), SKIPS.search(text)
        late = needed is not None and (skips is None or skips.start() > needed.start())
        if needed and late and importlib.util.find_spec(needed[1]) is None:
            return True
    return None


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        _passed_here.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    recorded = session.config.getoption("--record-passed")
    if recorded is not None and exitstatus == 0 and not hasattr(session.config, "workerinput"):
        Path(recorded).parent.mkdir(parents=True, exist_ok=True)
        Path(recorded).write_text("".join(f"{name}\n" for name in sorted(_passed_here)), "utf-8")


@pytest.fixture(scope="session")
def dev_json() -> Path:
    path = SHARED / "data" / "coco" / "dev.json"
    if not path.exists():
        pytest.skip("needs the dev photographs, which are not part of the project")
    return path


@pytest.fixture(scope="session")
def photographs() -> Path:
    """Folder of scikit-image's own photographs, which anyone may use."""
    try:
        return scikit_image_photographs()
    except BackendUnavailableError:
        pytest.skip("needs scikit-image (extra 'demo')")


@pytest.fixture(scope="session")
def frame() -> NDArray[np.uint8]:
    """A picture of nothing in particular."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (120, 160, 3), np.uint8)


@pytest.fixture(scope="session")
def photo_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO file of eight drawn stick figures: bright limbs on a dark, noisy ground."""
    return write_figures(tmp_path_factory.mktemp("figures"))


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread for PyTorch: on small maps several would mostly wait for each other."""
    import torch  # not installed where these tests skip

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
