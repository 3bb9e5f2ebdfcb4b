"""Threads: what affinity and the container's quota leave."""

from __future__ import annotations

import pytest

from litepose_edge import Estimator, backends, threads


@pytest.mark.parametrize(
    ("allowed", "quota", "expected"),
    [(range(8), "max 100000", 8), (range(8), "150000 100000", 2), (range(1), "400000 100000", 1)],
)
def test_the_default_keeps_within_affinity_and_quota(monkeypatch, allowed, quota, expected):
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota}
    monkeypatch.setattr(threads, "read_system_file", files.get)
    monkeypatch.setattr(threads, "affinity", lambda: tuple(allowed))
    assert threads.available_threads() == expected
    asked, find_model = [], backends.find_model

    def spy(*arguments, threads, **options):
        asked.append(threads)
        return find_model(*arguments, threads=1, **options)

    monkeypatch.setattr(backends, "find_model", spy)
    Estimator(detector=None).close()
    assert asked == [expected]


def test_a_system_without_control_groups_has_no_quota(monkeypatch):
    monkeypatch.setattr(threads, "read_system_file", lambda path: None)
    monkeypatch.setattr(threads, "affinity", lambda: None)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: None)
    assert threads.available_threads() == 1
