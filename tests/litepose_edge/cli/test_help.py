"""The help of every command on a terminal of 80 columns."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
import typer

import litepose_edge
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
def test_each_help_ends_with_examples_whose_options_exist(command, capsys, monkeypatch):
    text = help_of(command, capsys=capsys, monkeypatch=monkeypatch)
    end = re.search(r"\n  Example(?:s:\n|: )(.*)\Z", text, re.DOTALL)
    known = {option for parameter in COMMANDS[command].params for option in parameter.opts}
    for example in end.group(1).strip().splitlines():
        program, name, *words = shlex.split(example)
        assert (program, name) == ("litepose-edge", command)
        assert {word for word in words if word.startswith("-")} - {"-"} <= known


def test_options_and_commands_are_listed_in_groups(capsys, monkeypatch):
    text = help_of("predict", capsys=capsys, monkeypatch=monkeypatch)
    groups = re.findall(r"^(\w.*):$", text, re.MULTILINE)
    assert groups == [
        "Arguments", "Output", "Films, cameras and streams", "Networks", "Limits", "Options",
    ]  # fmt: skip
    assert text.partition("\nOptions:\n")[2].split()[0] == "--help"
    text = help_of(capsys=capsys, monkeypatch=monkeypatch)
    assert text.index("People in images and films:") < text.index("  predict ")
    assert text.index("  predict ") < text.index("Measurements:") < text.index("  bench ")


def test_the_version_is_printed(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"litepose-edge {litepose_edge.__version__}\n"


def test_a_shell_completes_commands_and_options(monkeypatch, capsys):
    monkeypatch.setenv("_LITEPOSE_EDGE_COMPLETE", "complete_bash")
    for words, wanted in (
        ("litepose-edge pre", {"predict"}),
        ("litepose-edge predict --dra", {"--draw"}),
    ):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        assert run([]) == 0
        assert set(capsys.readouterr().out.split()) == wanted


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


def test_a_command_imports_neither_rich_nor_the_other_commands():
    code = (
        "import sys; from litepose_edge.cli.app import run; run(['predict', 'missing.png']); "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = {name for name in done.stdout.split() if name.startswith(("litepose_edge", "rich"))}
    assert "litepose_edge.cli.predict.command" in loaded
    assert not [name for name in loaded if name.startswith(("rich", "litepose_edge.measure"))]
    assert "litepose_edge.cli.info" not in loaded
