"""Help that reads well on an 80-column terminal."""

from __future__ import annotations

from enum import Enum
from typing import get_args, get_type_hints

import pytest
import typer

from litepose_edge.cli import app as runtime
from litepose_export.cli import app

COMMANDS = {command.name: command.callback for command in app.app.registered_commands}


def help_of(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert app.run([name, "--help"]) == 0
    return capsys.readouterr().out


def enumerations(callback):
    """The choices of a command's options."""
    for hint in get_type_hints(callback).values():
        for kind in (hint, *get_args(hint)):
            if isinstance(kind, type) and issubclass(kind, Enum):
                yield [choice.value for choice in kind]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_80_columns_and_ends_with_an_example(name, capsys, monkeypatch):
    text = help_of(name, capsys, monkeypatch)
    assert max(map(len, text.splitlines())) <= 80
    assert " ".join(text.split()).count(f"Example: litepose-export {name} ") == 1


@pytest.mark.parametrize(
    ("name", "callback"),
    [
        (command.name, command.callback)
        for application in (app.app, runtime.app)
        for command in application.registered_commands
    ],
)
def test_no_option_takes_a_number_that_is_none(name, callback):
    for option, hint in get_type_hints(callback, include_extras=True).items():
        kind, *described = get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
        if float not in (kind, *get_args(kind)):
            continue
        assert described, option
        assert described[0].callback is not None, f"{name} {option} has no check for NaN"
        for value in (float("nan"), float("inf"), float("-inf")):
            with pytest.raises(typer.BadParameter, match="finite"):
                described[0].callback(value)


@pytest.mark.parametrize("name", ["export", "quantize", "train"])
def test_choices_are_not_broken_into_lines(name, capsys, monkeypatch):
    text = help_of(name, capsys, monkeypatch)
    found = list(enumerations(COMMANDS[name]))
    assert found
    for choices in found:
        assert "|".join(choices) in text
