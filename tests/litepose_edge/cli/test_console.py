"""What all commands share: retired options, streams, files that appear whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import typer

from litepose_edge.cli import app as runtime
from litepose_edge.cli.console import json_lines, print_error, run_command, write_image
from litepose_edge.errors import OutputError, SourceError

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


def test_an_image_appears_whole_or_not_at_all(tmp_path):
    write_image(tmp_path / "new" / "a.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(OutputError, match="format"):
        write_image(tmp_path / "a.xyz", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(OutputError):
        write_image(tmp_path / "gone" / "a.png", np.zeros((4, 4, 3), np.uint8), make_folder=False)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.png"]


def test_lines_are_kept_when_the_source_breaks_off(tmp_path):
    target = tmp_path / "a.jsonl"

    def break_off(error):
        with json_lines(target) as append:
            append("1\n")
            raise error

    for error in (SourceError("cut"), KeyboardInterrupt(), OutputError("of the film")):
        target.write_text("old")
        with pytest.raises(type(error)):
            break_off(error)
        assert target.read_text() == "1\n"
        assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_an_end_before_the_first_line_leaves_the_old_file_and_a_source_of_none_an_empty_one(
    tmp_path,
):
    target = tmp_path / "a.jsonl"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), json_lines(target):
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    with json_lines(target):
        pass
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.jsonl", "")]


def command(*lines, **streams):
    """A program of our streams in a process of its own."""
    code = "\n".join(
        [
            "import sys, typer",
            "from litepose_edge.cli.console import print_error, results, run_command",
            "app = typer.Typer()",
            "@app.command()",
            "def command():",
            *(f"    {line}" for line in lines),
            "sys.exit(run_command(app, [], print_error))",
        ]
    )
    return subprocess.run([sys.executable, "-c", code], text=True, **streams)


WRITES = ["results.print('word')", "results.file.write('word')", "print('word')", "typer.echo('w')"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("write", WRITES)
def test_a_result_that_cannot_be_printed_is_one_line_and_exit_code_1(write):
    with Path("/dev/full").open("w") as full:
        done = command(write, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error: cannot write to stdout: No space left on device"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX descriptors")
def test_a_closed_stdout_is_an_error_and_a_lost_message_is_none():
    closed = command(WRITES[0], stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
    assert (closed.returncode, closed.stderr) == (
        1,
        "error: cannot write to stdout: it is closed\n",
    )
    with Path("/dev/full").open("w") as full:
        done = command(*WRITES[:1], "print_error('x')", stdout=subprocess.PIPE, stderr=full)
    assert (done.returncode, done.stdout) == (0, "word\n")
    silent = command("pass", stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
    assert (silent.returncode, silent.stderr) == (0, "")


def test_a_reader_that_has_seen_enough_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = command(WRITES[1], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_command_that_is_to_end_leaves_no_temporary_file_and_the_old_file(tmp_path, name, code):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    done = command(
        "import os, signal, time",
        "from litepose_edge.atomic_files import replacing",
        f"with replacing({str(target)!r}) as partial:",
        "    partial.write_bytes(b'half')",
        f"    os.kill(os.getpid(), signal.{name})",
        "    time.sleep(30)",
        stderr=-1,
        # The tests themselves may run under nohup, which has children ignore it.
        preexec_fn=lambda: signal.signal(signal.Signals[name], signal.SIG_DFL),
    )
    assert (done.returncode, done.stderr) == (code, f"error: ended by {name}\n")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.bin", b"old")]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_signal_that_is_ignored_stays_so_and_handlers_are_put_back():
    done = command(
        "import os, signal",
        "os.kill(os.getpid(), signal.SIGHUP)",
        "results.print('survived')",
        stdout=-1,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert (done.returncode, done.stdout) == (0, "survived\n")
    assert run() == (0, [[""]])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_of_a_command_ends_at_once():
    done = command(
        "import os, signal, time",
        "reading, writing = os.pipe()",
        "child = os.fork()",
        "if child == 0:",
        "    try:",
        "        os.write(writing, b'.')",
        "        time.sleep(30)",
        "    finally:",
        "        os.write(1, b'went on')",
        "        os._exit(1)",
        "os.read(reading, 1)",
        "os.kill(child, signal.SIGTERM)",
        "results.print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))",
        stdout=-1,
    )
    assert (done.returncode, done.stdout) == (0, "-15\n")


def test_an_error_of_the_system_is_one_line():
    done = command("raise OSError(28, 'No space left on device', '/tmp')", stderr=-1)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error: [Errno 28] No space left on device: '/tmp'"]


def test_what_the_terminal_cannot_show_is_escaped():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = command(r"results.print('\udcff \u00e9', markup=False)", stdout=-1, env=environment)
    assert (done.returncode, done.stdout) == (0, "\\udcff \\xe9\n")
