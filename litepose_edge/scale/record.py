"""Whose a folder is: `run.json` says how its content was made, a lock that a run is writing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

from litepose_edge.atomic_files import write_file
from litepose_edge.errors import OutputError

RUN = "run.json"
SOURCES, VERSIONS = "sources", "versions"


def check_record(folder: Path, about: dict[str, Any], option: str, *, holds: bool) -> None:
    """Make sure that a folder is this run's: its record is the same, or it gets one.

    Args:
        folder: Is there.
        about: What decides the content, as JSON takes it.
        option: That names the folder, for the message.
        holds: Whether labels are in it.

    Raises:
        OutputError: It is another run's, was made with other packages, holds labels without a
            record, or cannot be written.
    """
    path = folder / RUN
    try:
        before = json.loads(path.read_bytes())
    except FileNotFoundError:
        if holds:
            raise OutputError(
                f"{folder} holds labels, and no {RUN} says how they were made: give another "
                f"{option}"
            ) from None
        write_file(path, (json.dumps(about, indent=2) + "\n").encode())
        return
    except (OSError, ValueError) as exc:
        raise OutputError(f"cannot read {path}: {exc}") from exc
    other = _first_difference(before, json.loads(json.dumps(about)))
    if other is not None:
        raise OutputError(f"{folder} holds the labels of another run, {other}: give "
                          f"another {option}")  # fmt: skip
    _check_versions(folder, before.get(VERSIONS), about.get(VERSIONS, {}), option)


def _check_versions(folder: Path, before: Any, now: dict[str, str], option: str) -> None:
    """Labels of two releases differ in the last digits, or in more."""
    if not isinstance(before, dict):
        before = {}
    others = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if others:
        made = ", ".join(f"{name} {before.get(name, 'unknown')}" for name in others)
        here = ", ".join(f"{name} {now.get(name, 'unknown')}" for name in others)
        raise OutputError(
            f"{folder} holds labels made with {made}, and here is {here}: install what made them "
            f"to go on, or give another {option}"
        )


def _first_difference(before: Any, now: dict[str, Any]) -> str | None:
    """What two runs differ in beside their packages, as a part of a sentence."""
    if not isinstance(before, dict):
        return "described by a file that is none of ours"
    for part in sorted({*before, *now} - {VERSIONS}):
        old, new = before.get(part), now.get(part)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            for key in sorted({*old, *new}):
                if old.get(key) != new.get(key):
                    shown = f"{key} {_shown(old.get(key))}, not {_shown(new.get(key))}"
                    return f"of {part} {shown}" if part == SOURCES else f"with {part}: {shown}"
        return f"of {part} {_shown(old)}, not {_shown(new)}"
    return None


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def locked(path: Path, option: str) -> IO[bytes]:
    """An open file that this process alone holds; the system lets go of it when it ends.

    Args:
        path: The lock, in the folder that is locked.
        option: That names the folder, for the message.

    Raises:
        OutputError: Another process holds it.
    """
    try:
        file = path.open("ab")
    except OSError as exc:
        raise OutputError(f"cannot write {path}: {exc.strerror}") from exc
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        file.close()
        if not isinstance(exc, BlockingIOError | PermissionError):
            raise OutputError(f"cannot lock {path}: {exc.strerror}") from exc
        raise OutputError(
            f"another run is writing into {path.parent}: wait for it, or give another {option}"
        ) from exc
    return file
