"""Files whole or not at all: read within bounds, written under a temporary name first."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from litepose_edge.errors import LitePoseError, OutputError

Content = bytes | bytearray | memoryview
# What one protocol buffer may have, and more than any document of ours.
MOST_BYTES = 2**31 - 1


class NewFile:
    """A file that is being written, unseen under its own name until `commit`.

    What was there before stays untouched until then. Every writer has a temporary file of its
    own, so several of one target do not mix: the last one's file is what stays. Devices and
    named pipes, such as `/dev/null`, are written to as they are.

    Args:
        path: The file's own name; a link is followed.
        make_folder: Make the folder if it is not there; without, a missing one is an error.

    Attributes:
        partial: Where the content goes meanwhile, with the same suffix as the target.
        discarded: Whether it was given up, by an error or by `discard`.

    Raises:
        OutputError: The target is a folder, read-only, or in a place that cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, make_folder: bool = True) -> None:
        self.path = Path(path)
        self.discarded = False
        self._file: IO[bytes] | None = None
        try:
            self._target, self._mode = _examine(self.path)
            if self._target is None:
                self.partial = self.path
                self._file = self.path.open("wb")
                return
            folder = self._target.parent
            if make_folder:
                _make_folder(folder)
            # As short as can be: a name may be as long as the file system allows.
            self.partial = folder / f".{os.urandom(6).hex()}.part{self._target.suffix}"
            # Unlike tempfile's, readable as any new file of this user is.
            made = os.open(
                self.partial,
                os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0),
                0o666,
            )
            self._file = os.fdopen(made, "wb")
        except LitePoseError:
            raise
        except (OSError, ValueError, RuntimeError) as exc:
            raise _error(self.path, exc) from exc

    def write(self, content: Content) -> None:
        """Append; after an error nothing is left.

        Raises:
            OutputError: It cannot be written, as on a full disk.
        """
        assert self._file is not None
        try:
            self._file.write(content)
        except OSError as exc:
            self.discard()
            raise _error(self.path, exc) from exc

    def release(self) -> Path:
        """Close the temporary file, for a writer that wants a path; `commit` is still to come."""
        if self._file is not None:
            self._file.close()
            self._file = None
        return self.partial

    def commit(self) -> None:
        """Give the file its own name; on an error nothing is left and the old file stays.

        Raises:
            OutputError: The disk is full, or the folder or the temporary file has vanished.
        """
        try:
            self.release()
            if self._target is not None:
                if self._mode is not None:
                    self.partial.chmod(self._mode)
                self.partial.replace(self._target)
        except OSError as exc:
            self.discard()
            raise _error(self.path, exc) from exc

    def discard(self) -> None:
        """Leave nothing behind; after `commit` there is nothing to leave."""
        self.discarded = True
        # Closing writes what was buffered, and a full disk says so once more.
        with contextlib.suppress(OSError):
            self.release()
        self._file = None
        if self._target is not None:
            with contextlib.suppress(OSError):
                self.partial.unlink()


def check_file(path: str | os.PathLike[str]) -> None:
    """Make sure that a file has an end, for a reader that takes its path.

    Raises:
        OSError: It is not there, or a named pipe or device, which may give bytes for ever or never
            one.
    """
    if not stat.S_ISREG(mode := Path(path).stat().st_mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))


def read_file(path: str | os.PathLike[str], most: int = MOST_BYTES) -> bytes:
    """All of a file.

    Args:
        path: The file.
        most: A file of more bytes is refused before it is read.

    Raises:
        OSError: It cannot be read, is no ordinary file, or too large; `strerror` says which.
    """
    check_file(path)
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            reason = f"it has {size} bytes, at most {most} are read"
            raise OSError(errno.EFBIG, reason, os.fspath(path))
        # Without a number: Python reserves as many bytes as it is asked for.
        return file.read()


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, make_folder: bool = True) -> Iterator[Path]:
    """A temporary path for a writer that takes one; it becomes `path` if the block ends well.

    Args:
        path: Where to.
        make_folder: Make the folder if it is not there; without, a missing one is an error.

    Raises:
        OutputError: The place cannot be written; any `OSError` of the block is taken for that.
    """
    file = NewFile(path, make_folder=make_folder)
    try:
        yield file.release()
    except LitePoseError:
        file.discard()
        raise
    except OSError as exc:
        file.discard()
        raise _error(file.path, exc) from exc
    except BaseException:
        file.discard()
        raise
    file.commit()


def write_file(path: str | os.PathLike[str], content: Content, *, make_folder: bool = True) -> None:
    """Write a file under a temporary name, then rename it.

    Args:
        path: Where to.
        content: All of it.
        make_folder: Make the folder if it is not there; without, a missing one is an error.

    Raises:
        OutputError: The place cannot be written.
    """
    file = NewFile(path, make_folder=make_folder)
    try:
        file.write(content)
        file.commit()
    except BaseException:
        file.discard()
        raise


def write_files(contents: Mapping[Path, Content]) -> None:
    """Write several files that belong together, such as a model and its weights.

    All are on the disk under temporary names before the first gets its own, so that a full disk
    leaves all of the old ones. They appear in the order given.

    Raises:
        OutputError: One of them cannot be written.
    """
    files: list[NewFile] = []
    try:
        for path, content in contents.items():
            files.append(NewFile(path))
            files[-1].write(content)
            files[-1].release()
        for file in files:
            file.commit()
    except OSError as exc:
        for file in files:
            file.discard()
        raise exc if isinstance(exc, LitePoseError) else _error(files[-1].path, exc) from exc
    except BaseException:
        for file in files:
            file.discard()
        raise


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder, with those above it, unless it is there.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except FileExistsError as exc:
        raise OutputError(f"cannot write into {path}: it is a file, not a folder") from exc
    except (OSError, ValueError) as exc:
        raise _error(Path(path), exc) from exc


def check_targets(
    *paths: str | os.PathLike[str] | None, sources: Iterable[str | os.PathLike[str] | None] = ()
) -> None:
    """Find out before long work whether its results can be written; leaves nothing behind.

    Args:
        paths: None where a result is not wanted.
        sources: What is read for it, and must stay; names of no files do not matter.

    Raises:
        OutputError: One cannot, two are the same file, or one is a source.
    """
    seen: set[Path] = set()
    kept = {place: source for source in sources if (place := _place(source)) is not None}

    for path in (Path(path) for path in paths if path is not None):
        try:
            target, _ = _examine(path)
        except LitePoseError:
            raise
        except (OSError, ValueError) as exc:
            raise _error(path, exc) from exc
        if target is None:
            continue
        if target in seen:
            raise OutputError(f"cannot write two results to {path}: name two files")
        place = _place(path)
        if place is not None and place in kept:
            raise OutputError(
                f"cannot write {path}: it would take the place of {kept[place]}, which is read; "
                "name another file"
            )
        seen.add(target)
        missing = [folder for folder in path.parents if not folder.exists()]
        NewFile(path).discard()
        for folder in missing:  # the deepest first
            with contextlib.suppress(OSError):  # another writer may have put a file there
                folder.rmdir()


def _place(path: str | os.PathLike[str] | None) -> tuple[int, int] | None:
    """Disk and place on it of a regular file, however it is spelled; None for all else."""
    try:
        found = Path(path).stat() if path else None
    except (OSError, ValueError):
        return None
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    return found.st_dev, found.st_ino


def _examine(path: Path) -> tuple[Path | None, int | None]:
    """Where the file really is, None for what is no ordinary file, and the mode to keep.

    Raises:
        OutputError: A folder, or a file that must not be written.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return path.resolve(), None
    if stat.S_ISDIR(found.st_mode):
        raise OutputError(f"cannot write {path}: it is a folder; give the name of a file")
    if not stat.S_ISREG(found.st_mode) or path.is_relative_to("/dev"):
        return None, None
    # A rename needs no right to write the old file: asked here, also of the superuser.
    if not found.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise OutputError(f"cannot write {path}: it is read-only")
    return path.resolve(), stat.S_IMODE(found.st_mode)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as exc:
        blocked = next((p for p in (folder, *folder.parents) if p.is_file()), folder)
        raise OSError(errno.ENOTDIR, f"{blocked} is a file, not a folder") from exc


def _error(path: Path, exc: Exception) -> OutputError:
    reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return OutputError(f"cannot write {path}: {reason}")
