"""Sessions of others keep to the CPUs that a process may use."""

from __future__ import annotations

import os

import onnxruntime
import pytest

from benchmarks.peers.onnx_threads import within_affinity
from litepose_edge.backends import bundled


def threads_of(session: onnxruntime.InferenceSession) -> int:
    return int(session.get_session_options().intra_op_num_threads)


def test_a_session_gets_a_thread_for_each_cpu_the_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    before = onnxruntime.InferenceSession
    with within_affinity():
        session = onnxruntime.InferenceSession(str(bundled.find("lrpose-s", "fp32")))
    assert threads_of(session) == 1
    assert onnxruntime.InferenceSession is before


def test_threads_that_were_asked_for_stay(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    with within_affinity():
        session = onnxruntime.InferenceSession(
            str(bundled.find("lrpose-s", "fp32")), options, providers=["CPUExecutionProvider"]
        )
    assert threads_of(session) == 2


@pytest.mark.parametrize("cpus", [1, 2])
def test_with_all_cpus_nothing_changes(monkeypatch, cpus):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cpus)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cpus)
    before = onnxruntime.InferenceSession
    with within_affinity():
        assert onnxruntime.InferenceSession is before
