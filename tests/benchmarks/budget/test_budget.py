"""The budget: bars, verdicts, and what becomes of commands that miss, break or have no data."""

from __future__ import annotations

import json

import pytest

from benchmarks.budget import bars, budget
from benchmarks.budget.bars import Bar
from benchmarks.budget.budget import Command

SCRIPT = """import argparse, pathlib
from benchmarks.budget.bars import Bar, finish
parser = argparse.ArgumentParser()
parser.add_argument("--json", type=pathlib.Path)
finish({"own": 1}, [Bar(name="speed", limit=2, FIGURE)], parser.parse_args().json)
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
    # A real script beside bars.py, as the others are.
    monkeypatch.setenv("PYTHONPATH", str(budget.FOLDER))

    def make(figure):
        (tmp_path / "fake.py").write_text(SCRIPT.replace("FIGURE", figure))
        return Command("fake", folder=tmp_path)

    return make


@pytest.mark.parametrize(
    ("figure", "at_least", "verdict"),
    [
        (0.40, False, "reached"),
        (0.41, False, "not reached"),
        (0.40, True, "reached"),
        (0.39, True, "not reached"),
    ],
)
def test_a_bar_is_reached_up_to_and_with_its_limit(figure, at_least, verdict):
    assert Bar(name="", limit=0.40, figure=figure, at_least=at_least).verdict == verdict


@pytest.mark.parametrize("given", [{}, {"figure": 1.0, "reason": "none"}])
def test_a_bar_has_a_figure_or_a_reason(given):
    with pytest.raises(ValueError, match="a figure or a reason"):
        Bar(name="speed", limit=1, **given)


def test_a_figure_that_is_no_number_is_not_taken_for_reached():
    with pytest.raises(ValueError, match="nan is no figure"):
        Bar(name="speed", limit=1, figure=float("nan"))


def test_what_was_not_measured_is_neither_reached_nor_missed():
    (bar,) = bars.without([Bar(name="speed", limit=1, figure=9.0)], "no clip")
    assert not bar.is_missed
    assert bar.verdict == "no data: no clip"


def test_bars_survive_their_file(tmp_path, capsys):
    given = [
        Bar(name="a", limit=1, figure=2.5, unit=" px"),
        Bar(name="b", limit=3, at_least=True, reason="no clip"),
    ]
    bars.finish({"own": [1]}, given, tmp_path / "report.json")
    assert bars.read(tmp_path / "report.json") == given
    assert json.loads((tmp_path / "report.json").read_text())["own"] == [1]
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["a", "2.5", "<=", "1", "px", "not", "reached"]
    assert second.endswith("no data: no clip")


def test_a_missed_bar_fails_only_when_strict(command):
    outcome = budget.run(command("figure=3.0"))
    assert [bar.figure for bar in outcome.bars] == [3.0]
    assert budget.exit_code([outcome], strict=False) == 0
    assert budget.exit_code([outcome], strict=True) == 1


def test_a_row_without_data_never_fails(command):
    outcome = budget.run(command("reason='no clip'"))
    assert budget.exit_code([outcome], strict=True) == 0


def test_a_command_that_breaks_fails_and_is_named_in_the_table(command, capfd):
    outcome = budget.run(command("figure=1/0"))
    budget.print_table([outcome])
    assert budget.exit_code([outcome], strict=False) == 1
    assert "BROKEN: ended with code 1" in capfd.readouterr().out


def test_a_command_that_writes_nothing_is_broken(tmp_path):
    (tmp_path / "silent.py").write_text("pass")
    outcome = budget.run(Command("silent", folder=tmp_path))
    assert outcome.error == "wrote no report"


def test_every_row_has_a_command_that_exists(tmp_path):
    files = [command.folder / f"{command.name}.py" for command in budget.commands(tmp_path)]
    assert len(set(files)) == len(files)
    assert all(file.exists() for file in files)


@pytest.mark.parametrize("name", [pytest.param("int8_shift", marks=pytest.mark.export), "video"])
def test_without_photographs_and_clips_a_row_says_so(tmp_path, name):
    (command,) = (c for c in budget.commands(tmp_path / "nowhere") if c.name == name)
    outcome = budget.run(command)
    assert outcome.error is None
    assert len(outcome.bars) >= 2
    assert all("not here" in bar.verdict for bar in outcome.bars)
