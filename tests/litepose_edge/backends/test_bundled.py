"""The bundled files: names, checksums, precisions, and what a missing one is said to be."""

from __future__ import annotations

import hashlib
import os
import runpy
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from litepose_edge import Estimator, _pyinstaller, backends
from litepose_edge.backends import bundled
from litepose_edge.errors import (
    ModelFileMissingError,
    ModelIntegrityError,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture
def pose_file():
    return bundled.find("lrpose-s", "fp32")


def test_every_bundled_file_is_listed_and_unchanged():
    listed = dict(
        reversed(line.split()) for line in (bundled.FOLDER / "SHA256SUMS").read_text().splitlines()
    )
    present = {path.name for path in bundled.FOLDER.glob("*.onnx")}
    assert present == set(listed)
    for name, digest in listed.items():
        assert hashlib.sha256((bundled.FOLDER / name).read_bytes()).hexdigest() == digest


def test_the_bundled_names_are_known():
    assert bundled.names() == ("lrpose-m", "lrpose-n", "lrpose-s", "persondet")
    assert bundled.precisions("lrpose-s") == ("int8", "fp32")
    assert bundled.precisions("lrpose-m") == bundled.precisions("lrpose-n") == ("int8",)
    assert bundled.precisions("lrpose-xl") == ()


def test_a_float_file_that_the_wheel_leaves_out_is_not_said_to_be_there(tmp_path, monkeypatch):
    shutil.copytree(bundled.FOLDER, tmp_path / "models")
    (tmp_path / "models" / "persondet.fp32.onnx").unlink()
    monkeypatch.setattr(bundled, "FOLDER", tmp_path / "models")
    assert bundled.precisions("persondet") == ("int8",)
    with pytest.raises(ModelFileMissingError, match=r"persondet \(int8\).*source repository"):
        bundled.find("persondet", "fp32")
    with Estimator(precision="fp32") as estimator:  # its detector runs in INT8
        assert len(estimator.predict(np.zeros((120, 160, 3), np.uint8))) == 0


def test_the_detector_follows_the_wish_where_it_can():
    assert bundled.nearest_precision("lrpose-s", "fp32") == "fp32"
    assert bundled.nearest_precision("lrpose-m", "fp32") is None
    assert bundled.nearest_precision("lrpose-m", None) is None


def test_a_precision_that_is_not_bundled_is_refused_with_those_that_are():
    with pytest.raises(ModelFileMissingError, match=r"'lrpose-m' in fp32; .*lrpose-m \(int8\)"):
        backends.find_model("lrpose-m", precision="fp32")


def test_pyinstaller_is_told_to_take_the_models_along(monkeypatch):
    (folder,) = _pyinstaller.hook_dirs()
    hook = Path(folder, "hook-litepose_edge.py")
    asked = []
    hooks = ModuleType("PyInstaller.utils.hooks")
    hooks.collect_data_files = lambda package: asked.append(package) or [("file", "place")]
    for name in ("PyInstaller", "PyInstaller.utils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "PyInstaller.utils.hooks", hooks)
    assert runpy.run_path(str(hook))["datas"] == [("file", "place")]
    assert asked == ["litepose_edge"]
    project = tomllib.loads(Path(folder).parents[1].joinpath("pyproject.toml").read_text("utf-8"))
    entry = project["project"]["entry-points"]["pyinstaller40"]["hook-dirs"]
    assert entry == f"{_pyinstaller.hook_dirs.__module__}:{_pyinstaller.hook_dirs.__name__}"


def test_models_that_a_bundler_left_out_are_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "FOLDER", tmp_path / "models")
    with pytest.raises(ModelFileMissingError, match=r"not in this installation.*--collect-data"):
        backends.find_model("lrpose-s")
    (tmp_path / "models").mkdir()
    names = "".join(f"{'0' * 64}  lrpose-s.{part}.onnx\n" for part in ("int8", "fp32"))
    (tmp_path / "models" / "SHA256SUMS").write_text(names)
    with pytest.raises(ModelFileMissingError, match="--collect-data"):
        backends.find_model("lrpose-s", precision="fp32")


@pytest.mark.parametrize("name", ["a\0b.onnx", "nowhere.onnx"])
def test_a_file_that_is_not_there_is_not_said_to_be_left_out(name):
    with pytest.raises(ModelFileMissingError, match="cannot read model") as caught:
        backends.find_model(name)
    assert "--collect-data" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_model_and_nothing_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "model.onnx")
    with pytest.raises(ModelFileMissingError, match="no regular file"):
        backends.find_model(tmp_path / "model.onnx")


def test_a_bundled_file_that_was_changed_is_refused(tmp_path, monkeypatch, pose_file):
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  {pose_file.name}\n")
    (tmp_path / pose_file.name).write_bytes(pose_file.read_bytes())
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    with pytest.raises(ModelIntegrityError, match="SHA-256"):
        backends.find_model("lrpose-s", precision="fp32")


@pytest.mark.parametrize("name", bundled.names())
@pytest.mark.parametrize("machine", ["aarch64", "arm64", "x86_64"])
def test_each_processor_gets_its_form_of_the_one_int8_file(name, machine, monkeypatch):
    monkeypatch.setattr(bundled, "architecture", lambda: machine)
    model = backends.find_model(name)
    assert model.path.name == f"{name}.int8.onnx"
    scheme = model.manifest.quantization.scheme
    assert scheme == ("u8s8-reduced" if machine == "x86_64" else "s8s8")
