"""The form of INT8 files for ARM: the same network, only where it is one of ours."""

from __future__ import annotations

import msgspec
import numpy as np
import onnxruntime
import pytest

from litepose_edge import backends
from litepose_edge.backends import bundled, files, sidecar
from litepose_edge.backends.protobuf import fields, length_delimited
from litepose_edge.backends.signed_activations import (
    GRAPH,
    INITIALIZER,
    METADATA,
    UINT8,
    VALUE_INFO,
    with_signed_activations,
)
from litepose_edge.errors import ModelError

UNSIGNED = b'"scheme":"u8s8-reduced"'


@pytest.fixture(params=bundled.names())
def unsigned(request):
    return bundled.find(request.param, "int8").read_bytes()


@pytest.fixture
def small():
    return bundled.find("lrpose-n", "int8").read_bytes()


def reference(content, batch):
    """What the graph says, computed node by node and not by INT8 kernels."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: batch})


def batch_for(content):
    shape = backends.open_bytes(content).input.shape
    sizes = [size if isinstance(size, int) else 352 for size in shape[2:]]
    return np.random.default_rng(0).normal(size=(1, 3, *sizes)).astype(np.float32)


def test_both_forms_are_the_same_network(unsigned):
    signed = with_signed_activations(unsigned)
    batch = batch_for(unsigned)
    for ours, theirs in zip(reference(signed, batch), reference(unsigned, batch), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_signed_kernels_compute_about_the_same_here(unsigned):
    batch = batch_for(unsigned)
    first, second = (
        backends.open_bytes(content).run(batch)
        for content in (unsigned, with_signed_activations(unsigned))
    )
    for name, output in first.items():
        assert np.abs(output - second[name]).mean() < 0.5


def test_the_manifest_says_the_new_form_and_nothing_else_changes(monkeypatch):
    found = []
    for machine in ("x86_64", "aarch64"):
        monkeypatch.setattr(bundled, "architecture", lambda machine=machine: machine)
        found.append(backends.find_model("lrpose-n").manifest)
    here, there = found
    assert there.quantization.scheme == "s8s8"
    quantization = msgspec.structs.replace(there.quantization, scheme="u8s8-reduced")
    assert msgspec.structs.replace(there, quantization=quantization) == here


def test_a_signed_file_stays_as_it_is(small):
    signed = with_signed_activations(small)
    assert signed != small
    assert with_signed_activations(signed) is signed


def test_a_float_file_stays_as_it_is():
    content = bundled.find("lrpose-s", "fp32").read_bytes()
    assert with_signed_activations(content) is content


def test_a_full_range_file_gets_signed_activations_too(small):
    full = small.replace(UNSIGNED, b'"scheme":"u8s8"        ')
    assert with_signed_activations(full) != full


def test_a_file_of_another_tool_stays_as_it_is(small):
    other = small.replace(UNSIGNED, b'"scheme":"other"       ')
    assert with_signed_activations(other) is other


def in_graph(content, added):
    """A file with a field added to its graph."""
    parts = []
    for field, _, start, body, end in fields(memoryview(content)):
        value = content[body:end] + added
        parts.append(length_delimited(GRAPH, value) if field == GRAPH else content[start:end])
    return b"".join(parts)


def test_a_file_with_other_unsigned_tensors_stays_as_it_is(small):
    table = bytes([8, 1, 16, UINT8]) + length_delimited(8, b"table") + length_delimited(9, b"7")
    odd = in_graph(small, length_delimited(INITIALIZER, table))
    assert with_signed_activations(odd) is odd


def test_hints_of_types_are_left_out(small):
    hinted = in_graph(small, length_delimited(VALUE_INFO, length_delimited(1, b"relu")))
    assert with_signed_activations(hinted) == with_signed_activations(small)


def test_a_damaged_file_is_refused(small):
    parts = [(field, small[start:end]) for field, _, start, _, end in fields(memoryview(small))]
    entry = next(part for field, part in parts if field == METADATA)
    with pytest.raises(ModelError, match="damaged"):
        with_signed_activations(length_delimited(GRAPH, b"\x0a\x7f") + entry)


def test_a_file_of_ones_own_keeps_its_checksum_on_arm(tmp_path, monkeypatch, small):
    path = tmp_path / "own.onnx"
    path.write_bytes(small)
    monkeypatch.setattr(bundled, "architecture", lambda: "aarch64")
    model = files.read(path)
    assert model.content == small
    assert model.loadable == with_signed_activations(small)
    manifest = backends.find_model(path).manifest
    sidecar.path_of(path).write_bytes(sidecar.encode(manifest, model))
    assert sidecar.read(model) == manifest


def test_x86_reads_files_as_they_are(tmp_path, monkeypatch, small):
    monkeypatch.setattr(bundled, "architecture", lambda: "x86_64")
    path = tmp_path / "own.onnx"
    path.write_bytes(small)
    assert files.read(path).loadable == small
