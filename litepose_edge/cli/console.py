"""What all commands share: the two streams, writing images, errors as exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from litepose_edge.atomic_files import NewFile, write_file
from litepose_edge.cli.streams import checked_streams
from litepose_edge.cli.termination import Terminated, termination_raised
from litepose_edge.errors import (
    BackendUnavailableError,
    LitePoseError,
    ModelError,
    OutputError,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.status import Status

OK, SOME_FAILED, USAGE, MODEL_OR_BACKEND, INTERRUPTED = 0, 1, 2, 3, 130

NOTHING_RENAMED: Mapping[str, str] = MappingProxyType({})


class Terminal:
    """Stdout or stderr, whatever stands in its place at the time.

    Rich takes a quarter of the program's start to import: only colours, tables, bars and
    spinners wait for it.

    Args:
        stderr: Whether it is stderr.
    """

    def __init__(self, *, stderr: bool) -> None:
        self._stderr = stderr

    @property
    def file(self) -> IO[str]:
        """The stream."""
        return sys.stderr if self._stderr else sys.stdout

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads along."""
        try:
            return self.file.isatty()
        except (AttributeError, ValueError):  # there is no stream, or it is closed
            return False

    @cached_property
    def rich(self) -> Console:
        """The stream as Rich's console."""
        from rich.console import Console

        return Console(stderr=self._stderr, highlight=False, soft_wrap=True)

    def print(self, content: Any, *, style: str | None = None, markup: bool = False) -> None:
        """Print text as it is, or a renderable of Rich.

        Args:
            content: What to print.
            style: Of text on a terminal, such as `"bold"`.
            markup: Whether square brackets in text are Rich's markup.
        """
        if isinstance(content, str) and not markup and (style is None or not self.is_terminal):
            self.file.write(f"{content}\n")
        else:
            self.rich.print(content, style=style, markup=markup)

    def status(self, text: str) -> Status:
        """A spinner beside a text, while a block runs."""
        return self.rich.status(text)


# Results go to stdout, everything else to stderr.
results = Terminal(stderr=False)
messages = Terminal(stderr=True)


def print_error(message: str) -> None:
    """Print an error message on stderr."""
    messages.print(f"error: {message}", style="red")


def progress_bar() -> Progress:
    """A progress bar on stderr; nothing where that is no terminal."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=messages.rich,
        transient=True,
        disable=not messages.is_terminal,
        redirect_stdout=results.is_terminal,
    )


def run_command(
    app: typer.Typer,
    arguments: Sequence[str],
    print_error: Callable[[str], None],
    model_errors: tuple[type[Exception], ...] = (),
    renamed_options: Mapping[str, str] = NOTHING_RENAMED,
) -> int:
    """Run a Typer application; return the exit code its outcome stands for.

    Args:
        app: The application.
        arguments: Without the program's name.
        print_error: Gets the message of an error.
        model_errors: Errors that are a model's fault, besides the runtime's own.
        renamed_options: Retired options, such as `--style`, and what to write in their place,
            such as `--output-format`. Using one is a usage error: nothing is run.
    """
    renamed = _renamed_option(arguments, renamed_options)
    if renamed is not None:
        print_error(f"{renamed} is now {renamed_options[renamed]}")
        return USAGE
    of_models: tuple[type[Exception], ...] = (ModelError, BackendUnavailableError, *model_errors)
    with checked_streams() as stdout, termination_raised():
        try:
            code = _run(app, arguments, print_error, of_models)
            stdout.flush()
        except Terminated as exc:
            print_error(str(exc))
            code = exc.exit_code
        except BrokenPipeError:
            code = OK
        except OutputError as exc:
            stdout.silence()
            if code == OK:  # else the error has been printed
                print_error(str(exc))
                code = SOME_FAILED
        if stdout.unread:  # the reader has seen enough; Typer and Rich take that for a failure
            stdout.silence()
            return OK
    return code


def _run(
    app: typer.Typer,
    arguments: Sequence[str],
    print_error: Callable[[str], None],
    of_models: tuple[type[Exception], ...],
) -> int:
    try:
        # Typer prints usage errors itself and leaves with SystemExit(2).
        name = app.info.name if isinstance(app.info.name, str) else None
        app(args=list(arguments), prog_name=name, standalone_mode=True)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else SOME_FAILED if exc.code else OK
    except of_models as exc:
        print_error(str(exc))
        return MODEL_OR_BACKEND
    except LitePoseError as exc:
        print_error(str(exc))
        return SOME_FAILED
    except BrokenPipeError:
        raise
    except OSError as exc:  # of the system: no space for temporary files, too many open ones
        print_error(str(exc))
        return SOME_FAILED
    except MemoryError:
        print_error("there is not enough memory for this: give smaller files, or less at once")
        return SOME_FAILED
    except KeyboardInterrupt:
        print_error("interrupted")
        return INTERRUPTED
    return OK


def _renamed_option(arguments: Sequence[str], renamed_options: Mapping[str, str]) -> str | None:
    """The first retired option, if any; what follows a bare `--` is no option."""
    for argument in arguments:
        if argument == "--":
            return None
        option = argument.partition("=")[0]
        if option in renamed_options:
            return option
    return None


def write_image(path: Path, image: NDArray[np.uint8], *, make_folder: bool = True) -> None:
    """Write an image in the format its suffix names; the file appears whole or not at all.

    Args:
        path: Where to.
        image: `(H, W, 3)` uint8 BGR.
        make_folder: Make the folder if it is not there; without, a missing one is an error.

    Raises:
        OutputError: The format is unknown or the place cannot be written.
    """
    try:
        encoded, content = cv2.imencode(path.suffix, image)
    except cv2.error as exc:
        raise OutputError(f"cannot write {path}: unknown image format '{path.suffix}'") from exc
    if not encoded:
        raise OutputError(f"cannot encode {path}")
    write_file(path, content.tobytes(), make_folder=make_folder)


@contextmanager
def json_lines(path: Path) -> Iterator[Callable[[str], None]]:
    """A function that appends a line to a file that appears when the block ends.

    When the block breaks off, the lines until then are kept; when there are none yet, or they
    cannot be written, an older file stays.

    Raises:
        OutputError: The place cannot be written.
    """
    file = NewFile(path)
    written = 0

    def append(line: str) -> None:
        nonlocal written
        file.write(line.encode())
        written += 1

    try:
        yield append
    except BaseException:
        if not written:
            file.discard()
        raise
    finally:
        if not file.discarded:
            file.commit()
