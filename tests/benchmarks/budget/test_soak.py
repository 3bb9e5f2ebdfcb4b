"""Memory, threads and descriptors over long use: the measurement sees what grows."""

from __future__ import annotations

import tempfile
import threading

import numpy as np
import pytest

from benchmarks.budget import soak
from benchmarks.budget.soak import Use, measure, reached

pytestmark = pytest.mark.skipif("sys.platform != 'linux'", reason="figures come from /proc")


@pytest.mark.parametrize(
    ("after", "good"),
    [
        (Use(104.9, 3, 7), True),
        (Use(90.0, 2, 6), True),
        (Use(105.1, 3, 7), False),
        (Use(100.0, 4, 7), False),
        (Use(100.0, 3, 8), False),
    ],
)
def test_no_more_than_5_mb_and_no_thread_or_descriptor(after, good):
    assert reached(Use(100.0, 3, 7), after) is good


def test_memory_of_threads_that_meet_by_chance_does_not_count():
    grown = Use(130.0, 3, 7)
    assert reached(Use(100.0, 3, 7), grown, memory=False)
    assert not reached(Use(100.0, 2, 7), grown, memory=False)


def test_threads_that_find_what_one_alone_finds_go_on_and_others_do_not(photographs, monkeypatch):
    monkeypatch.setattr(soak, "SHARED_PICTURES", 2)
    monkeypatch.setattr(soak, "THREADS", 4)
    assert sum(soak.SCENARIOS["threads"][1]("onnxruntime", 2)) > 0
    monkeypatch.setattr(soak, "people_of", lambda poses: np.random.default_rng().random(3))
    with pytest.raises(AssertionError, match="than a thread alone finds"):
        list(soak.SCENARIOS["threads"][1]("onnxruntime", 20))


@pytest.mark.parametrize("leak", ["memory", "threads", "descriptors"])
def test_what_a_scenario_leaves_behind_is_seen(monkeypatch, leak):
    kept, over = [], threading.Event()

    def scenario(backend, rounds):
        for number in range(rounds):
            if leak == "memory":
                kept.append(b"x" * 2**19)
            elif leak == "descriptors":
                kept.append(tempfile.TemporaryFile())  # noqa: SIM115 - closed below
            elif number == rounds - 1:
                thread = threading.Thread(target=over.wait)
                thread.start()
            yield 1

    monkeypatch.setitem(soak.SCENARIOS, "leak", (1, scenario))
    before, after, people = measure("leak", "onnxruntime", 1.0)
    over.set()
    for file in kept if leak == "descriptors" else []:
        file.close()
    assert people == soak.rounds_of("leak", 1.0)
    assert not reached(before, after)


@pytest.mark.parametrize("name", ["open", "stream"])
def test_estimators_and_streams_leave_no_thread_and_no_descriptor(name, photographs, monkeypatch):
    monkeypatch.setattr(soak, "STREAM_FRAMES", 4)
    before, after, people = measure(name, "onnxruntime", 0.01)
    assert people > 0
    assert (after.threads, after.descriptors) <= (before.threads, before.descriptors)
