"""Finding, checking and opening models."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from litepose_edge import backends
from litepose_edge.backends import bundled
from litepose_edge.errors import (
    BackendUnavailableError,
    ManifestError,
    ModelError,
    ModelFileMissingError,
    ModelIntegrityError,
)


def noise(model):
    size = model.manifest.input.size
    shape = (1, 3, size.height, size.width)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


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
    assert bundled.names() == ("lrpose-s", "persondet")


def test_a_bundled_file_that_was_changed_is_refused(tmp_path, monkeypatch, pose_file):
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  {pose_file.name}\n")
    (tmp_path / pose_file.name).write_bytes(pose_file.read_bytes())
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    bundled._checksums.cache_clear()
    try:
        with pytest.raises(ModelIntegrityError, match="SHA-256"):
            backends.find_model("lrpose-s", precision="fp32")
    finally:
        bundled._checksums.cache_clear()


@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_each_machine_gets_its_own_int8_file(machine, monkeypatch):
    monkeypatch.setattr(bundled, "_machine", lambda: machine)
    expected = "arm" if machine == "aarch64" else "x86"
    assert bundled.find("lrpose-s", "int8").name == f"lrpose-s.int8-{expected}.onnx"


def test_the_arm_file_gives_the_same_keypoints_here(frame):
    outputs = []
    for target in ("x86", "arm"):
        model = backends.find_model(bundled.FOLDER / f"lrpose-s.int8-{target}.onnx")
        batch = noise(model)
        outputs.append(model.open(1).run(batch)["heatmaps"])
    assert np.abs(outputs[0] - outputs[1]).mean() < 0.5


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07\x12\x04abcd"])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        backends.find_model(path)


def test_a_truncated_model_is_refused(tmp_path, pose_file):
    path = tmp_path / "cut.onnx"
    content = pose_file.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError):
        backends.find_model(path)


def test_a_model_with_a_damaged_manifest_is_refused(tmp_path, pose_file):
    path = tmp_path / "damaged.onnx"
    path.write_bytes(pose_file.read_bytes().replace(b'"colour":"rgb"', b'"colour":"abc"'))
    with pytest.raises(ManifestError, match="colour"):
        backends.find_model(path)


def test_a_model_with_a_newer_manifest_is_refused(tmp_path, pose_file):
    path = tmp_path / "newer.onnx"
    path.write_bytes(pose_file.read_bytes().replace(b'"schema":1', b'"schema":9'))
    with pytest.raises(ManifestError, match="schema 9"):
        backends.find_model(path)


def test_a_manifest_for_another_input_size_is_refused(tmp_path, pose_file):
    path = tmp_path / "size.onnx"
    width = backends.find_model(pose_file).manifest.input.width
    said, wrong = (f'"width":{n}'.encode() for n in (width, 999))
    path.write_bytes(pose_file.read_bytes().replace(said, wrong))
    with pytest.raises(ManifestError, match="999"):
        backends.find_model(path)


def test_a_folder_is_no_model(tmp_path):
    with pytest.raises(ModelFileMissingError):
        backends.find_model(tmp_path / "sub.onnx")


def test_a_full_range_file_is_refused_where_its_sums_saturate(tmp_path, monkeypatch):
    reduced = bundled.find("lrpose-s", "int8").read_bytes()
    path = tmp_path / "full.onnx"
    # Shorter JSON in a length-prefixed field would not parse; pad with a space JSON ignores.
    path.write_bytes(reduced.replace(b'"u8s8-reduced"', b'"u8s8"        '))
    monkeypatch.setattr(backends, "u8s8_is_exact", lambda: False)
    with pytest.raises(ModelError, match="saturate"):
        backends.find_model(path)
    monkeypatch.setattr(backends, "u8s8_is_exact", lambda: True)
    assert backends.find_model(path).manifest.precision == "int8"


def test_the_probe_is_small_and_answers():
    assert (bundled.FOLDER / bundled.PROBE).stat().st_size < 2048
    assert backends.u8s8_is_exact() in (True, False)


def test_a_missing_backend_names_the_pip_command(monkeypatch):
    import builtins

    real = builtins.__import__

    def without_openvino(name, *args, **kwargs):
        if name == "openvino" or "_openvino" in (args[2] or ()):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_openvino)
    with pytest.raises(BackendUnavailableError, match=r"pip install 'litepose-edge\[openvino\]'"):
        backends.find_model("lrpose-s", backend="openvino")


@pytest.mark.openvino
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_openvino_sees_what_onnxruntime_sees(precision):
    results = []
    for backend in ("onnxruntime", "openvino"):
        model = backends.find_model("lrpose-s", precision=precision, backend=backend)
        batch = noise(model)
        session = model.open(1)
        results.append(session.run(batch)["heatmaps"])
        session.close()
        session.close()
        with pytest.raises(RuntimeError, match="closed"):
            session.run(batch)
    bound = 1e-3 if precision == "fp32" else 0.3
    assert np.abs(results[0] - results[1]).max() < bound * np.abs(results[0]).max()


@pytest.mark.openvino
def test_openvino_refuses_what_is_no_model(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError):
        backends.find_model(path, backend="openvino")
