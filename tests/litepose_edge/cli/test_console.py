"""What all commands share: retired options, and files that appear whole or not at all."""

from typing import Annotated

import numpy as np
import pytest
import typer

from litepose_edge.atomic_files import write_file
from litepose_edge.cli import app as runtime
from litepose_edge.cli.console import print_error, run_command, write_image
from litepose_edge.errors import OutputError

RENAMED = {"--old": "--new", "--gone": "--stage finetune"}


def run(*arguments: str) -> tuple[int, list[list[str]]]:
    """The exit code, and what the command was given each time that it ran."""
    app = typer.Typer(add_completion=False)
    calls = []

    @app.command()
    def command(words: Annotated[list[str] | None, typer.Argument()] = None, new: str = "") -> None:
        calls.append([new, *(words or [])])

    code = run_command(app, arguments, print_error, renamed_options=RENAMED)
    return code, calls


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--old", "x"], "error: --old is now --new\n"),
        (["--old=x"], "error: --old is now --new\n"),
        (["word", "--gone"], "error: --gone is now --stage finetune\n"),
        (["--help", "--old"], "error: --old is now --new\n"),
    ],
)
def test_a_renamed_option_is_a_usage_error_that_names_the_new_one(arguments, message, capsys):
    assert run(*arguments) == (2, [])
    streams = capsys.readouterr()
    assert (streams.out, streams.err) == ("", message)


def test_the_new_option_and_words_after_two_dashes_are_not_taken_for_the_old_one():
    assert run("--new", "x") == (0, [["x"]])
    assert run("--", "--old") == (0, [["", "--old"]])


def test_every_renamed_option_of_the_runtime_names_one_that_exists(capsys):
    for old, new in runtime.RENAMED_OPTIONS.items():
        assert runtime.run(["adopt", "model.onnx", old, "simcc"]) == 2
        assert capsys.readouterr().err == f"error: {old} is now {new}\n"
    commands = typer.main.get_command(runtime.app).commands.values()
    options = {name for command in commands for option in command.params for name in option.opts}
    assert {new.split()[0] for new in runtime.RENAMED_OPTIONS.values()} <= options
    assert not options & set(runtime.RENAMED_OPTIONS)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "a.txt"
    write_file(target, b"content")
    assert target.read_bytes() == b"content"
    with pytest.raises(OutputError):
        write_file(target / "below", b"x")
    with pytest.raises(OutputError, match="format"):
        write_image(tmp_path / "a.xyz", np.zeros((4, 4, 3), np.uint8))
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.txt"]
