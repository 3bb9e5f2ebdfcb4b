"""Rows of single benchmarks: which way each bar points, and what is said where nothing runs."""

from __future__ import annotations

import importlib.util

import pytest

from benchmarks.budget import startup, versus_rtmlib, video


def report(**changed):
    """What the workers would give, every row just at its bar."""
    people = {str(n): {"int8": 0.36, "fp32": 1.0} for n in versus_rtmlib.PEOPLE}
    return {
        "one_cpu": people,
        "two_cpus": people,
        "python_parts": {str(n): {"ratio": 0.28} for n in versus_rtmlib.PEOPLE},
        "paced": {"ours": {"cpu_ms": 12.0}, "rtmlib": {"cpu_ms": 100.0}},
        "interleaved": {"ratio": 1.05},
        "scaling": {
            1: {"frames": 100.0, "products": 10.0},
            2: {"frames": 186.0, "products": 20.0},
        },
        **changed,
    }


def test_every_row_against_rtmlib_is_reached_at_its_bar():
    rows = versus_rtmlib.bars(report())
    assert len(rows) == 10
    assert {row.verdict for row in rows} == {"reached"}


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({"interleaved": {"ratio": 1.06}}, "pose latency beside the detector / alone"),
        (
            {"paced": {"ours": {"cpu_ms": 13.0}, "rtmlib": {"cpu_ms": 100.0}}},
            "CPU time a frame at 30 fps, ours / rtmlib",
        ),
        (
            {
                "scaling": {
                    1: {"frames": 100.0, "products": 10.0},
                    2: {"frames": 184.0, "products": 20.0},
                }
            },
            "gain of 2 CPUs / gain of int8 products",
        ),
    ],
)
def test_a_row_beyond_its_bar_is_the_one_that_is_missed(changed, missed):
    assert [b.name for b in versus_rtmlib.bars(report(**changed)) if b.is_missed] == [missed]


def test_without_rtmlib_every_row_says_so(monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "rtmlib" else found(name)
    )
    monkeypatch.setattr("sys.argv", ["versus_rtmlib.py"])
    versus_rtmlib.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert all("no data: rtmlib" in line for line in lines)


def test_following_is_judged_against_its_parts_and_against_rtmlib_where_it_is():
    both = video.bars("clip", {"tracker_to_parts": 1.2, "tracker_to_rtmlib": 0.1})
    assert [bar.verdict for bar in both] == ["not reached", "reached"]
    alone = video.bars("clip", {"tracker_to_parts": 1.1})
    assert alone[0].verdict == "reached"
    assert alone[1].verdict.startswith("no data: rtmlib")


def test_the_start_is_judged_as_a_multiple_of_the_imports_and_by_its_memory():
    wall = {"imports alone": 0.1, "boxes given": 0.16, "with the detector": 0.19}
    memory = {"boxes given": 90.0, "with the detector": 130.0}
    verdicts = [bar.verdict for bar in startup.bars(wall, memory)]
    assert verdicts == ["not reached", "reached", "reached", "not reached"]
