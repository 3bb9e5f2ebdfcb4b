"""Gives one input to the project and says what became of it."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from litepose_edge.errors import LitePoseError
from tests.fuzz.kinds import Answer, InputClass

ROOT = Path(__file__).parents[2]
PACKAGES = tuple(str(ROOT / folder) for folder in ("litepose_edge", "export"))
# A message is a sentence or two; whole documents do not belong into it.
LONGEST_MESSAGE = 4000

# What stands in quotes or brackets, and numbers.
_VALUES = re.compile(r"'.*?'|\(.*|\[.*|-?[\d.]+(e[+-]?\d+)?")

Outcome = Literal["taken", "refused", "crash", "hang", "memory", "untyped", "silent", "unsound"]
FAULTS: tuple[Outcome, ...] = ("crash", "hang", "memory", "untyped", "silent", "unsound")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an input.

    Attributes:
        outcome: `taken` and `refused` are as they should be; `silent`: a wrong answer; `unsound`:
            a sound input was refused; the others say themselves.
        text: Where it is a fault, what was seen.
    """

    outcome: Outcome
    text: str = ""

    @property
    def signature(self) -> str:
        """The same for faults of the same place: numbers, names and values are left out."""
        last = (self.text.splitlines() or [""])[-1]
        return f"{self.outcome} {_VALUES.sub('', last)[:100]}"


def judge(kind: InputClass, path: Path, *, sound: bool) -> Verdict:
    """Run an input, twice if it is taken, and compare with the strict reader.

    Args:
        kind: Its class.
        path: The file that holds it.
        sound: Whether it must be taken.
    """
    verdict, answer = _run(kind, path, sound)
    if answer is None:
        return verdict
    if answer.complaint is not None:
        return Verdict("silent", answer.complaint)
    again = _run(kind, path, sound)[1]
    if again is None or again.digest != answer.digest:
        return Verdict("silent", "another answer for the same input")
    reason = None if sound else kind.refused_by(path.read_bytes())
    return verdict if reason is None else Verdict("silent", f"taken, but refused by {reason}")


def _run(kind: InputClass, path: Path, sound: bool) -> tuple[Verdict, Answer | None]:
    try:
        return Verdict("taken"), kind.run(path)
    except MemoryError:
        return Verdict("memory", traceback.format_exc()), None
    except Exception as exc:  # noqa: BLE001 - telling them apart is what this is for
        return _of_error(kind, exc, sound), None


def _of_error(kind: InputClass, exc: Exception, sound: bool) -> Verdict:
    if sound:
        return Verdict("unsound", _story(exc))
    if not isinstance(exc, kind.expected):
        return Verdict("untyped", _story(exc))
    if not isinstance(exc, LitePoseError) and not _raised_by_us(exc):
        return Verdict("untyped", _story(exc))
    if not 0 < len(str(exc)) <= LONGEST_MESSAGE:
        return Verdict("untyped", f"{type(exc).__name__} with {len(str(exc))} characters")
    return Verdict("refused")


def _raised_by_us(exc: Exception) -> bool:
    frames = traceback.extract_tb(exc.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(PACKAGES)


def _story(exc: Exception) -> str:
    """The end of the traceback, the error's own line last."""
    frames = traceback.format_tb(exc.__traceback__)[-6:]
    message = " ".join(str(exc).split())[:500]
    return "".join(frames) + f"{type(exc).__module__}.{type(exc).__name__}: {message}"
