"""The help of every command on a terminal of 80 columns."""

from __future__ import annotations

import re
import shlex

import pytest
import typer

from litepose_edge.cli.app import app, run
from litepose_edge.cli.bench import ENGINES, ModeName
from litepose_edge.cli.evaluate import MetricName
from litepose_edge.cli.options import BackendName, PrecisionName
from litepose_edge.manifest.presets import OutputFormatName

COMMANDS = typer.main.get_command(app).commands


def help_of(*arguments, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*arguments, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_fits_80_columns(command, capsys, monkeypatch):
    text = help_of(*([command] if command else []), capsys=capsys, monkeypatch=monkeypatch)
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_each_help_ends_with_an_example_whose_options_exist(command, capsys, monkeypatch):
    text = help_of(command, capsys=capsys, monkeypatch=monkeypatch)
    _, mark, example = text.strip().rpartition("Example: ")
    assert mark
    program, name, *words = shlex.split(example)
    assert (program, name) == ("litepose-edge", command)
    known = {option for parameter in COMMANDS[command].params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known


@pytest.mark.parametrize(
    ("command", "choices"),
    [
        ("predict", BackendName),
        ("predict", PrecisionName),
        ("bench", ModeName),
        ("bench", ENGINES),
        ("eval", MetricName),
        ("adopt", OutputFormatName),
    ],
)
def test_no_choice_breaks_inside_a_word(command, choices, capsys, monkeypatch):
    text = help_of(command, capsys=capsys, monkeypatch=monkeypatch)
    assert set(choices) <= set(re.split(r"[\s<>|,.:]+", text))


def test_the_list_of_commands_cuts_no_summary_short(capsys, monkeypatch):
    text = help_of(capsys=capsys, monkeypatch=monkeypatch)
    assert "..." not in text.partition("Commands:")[2]
