"""The two streams of a command: a result that cannot be printed is an error, a message is not."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

from litepose_edge.errors import OutputError


class ResultStream:
    """Stdout whose errors are `OutputError`: a full disk, a closed descriptor.

    A reader that has seen enough (`BrokenPipeError`) is no error of ours and passes as it is.

    Attributes:
        unread: Whether the reader has gone.
    """

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream
        self.unread = False

    def write(self, text: str) -> int:
        """Write; what the terminal's encoding lacks, such as a file name's stray byte, is escaped.

        Raises:
            OutputError: The stream cannot be written.
        """
        if self._stream is None:
            raise OutputError("cannot write to stdout: it is closed")
        with self._typed():
            try:
                return self._stream.write(text)
            except UnicodeEncodeError as exc:
                escaped = text.encode(exc.encoding, "backslashreplace").decode(exc.encoding)
                return self._stream.write(escaped)
        raise AssertionError

    def flush(self) -> None:
        """Write what is buffered.

        Raises:
            OutputError: The stream cannot be written.
        """
        if self._stream is not None:
            with self._typed():
                self._stream.flush()

    def silence(self) -> None:
        """Send what is left to nowhere, so that the interpreter does not fail on it once more."""
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)

    @contextlib.contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self.unread = True
            raise
        except OSError as exc:
            raise OutputError(f"cannot write to stdout: {exc.strerror or exc}") from exc

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class MessageStream:
    """Stderr that never ends a command: progress and messages that cannot be shown are lost."""

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write if that can be done."""
        if self._stream is not None:
            with contextlib.suppress(OSError, UnicodeError):
                return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, if that can be done."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def checked_streams() -> Iterator[ResultStream]:
    """Put both streams in the place of the interpreter's while a command runs."""
    out, err = sys.stdout, sys.stderr
    checked = ResultStream(out)
    sys.stdout = checked
    sys.stderr = MessageStream(err)
    try:
        yield checked
    finally:
        sys.stdout, sys.stderr = out, err
