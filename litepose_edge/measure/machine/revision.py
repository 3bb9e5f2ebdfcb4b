"""The commit that is checked out where this package lies, read without running git."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
COMMIT = re.compile(r"[0-9a-f]{40,64}")


def revision(package: Path = PACKAGE) -> str | None:
    """The first twelve digits of the commit; None where the package is no checkout."""
    git = package.parent / ".git"
    try:
        head = (git / "HEAD").read_text("utf-8").strip()
        commit = _commit_of(git, head.removeprefix("ref: ")) if head.startswith("ref: ") else head
    except (OSError, ValueError):
        return None
    return commit[:12] if COMMIT.fullmatch(commit) else None


def _commit_of(git: Path, reference: str) -> str:
    loose = git / reference
    if loose.exists():
        return loose.read_text("utf-8").strip()
    for line in (git / "packed-refs").read_text("utf-8").splitlines():
        commit, _, name = line.partition(" ")
        if name == reference:
            return commit
    return ""
