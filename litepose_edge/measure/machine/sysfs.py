"""Reads the small text files in which Linux shows its hardware, under any root."""

from __future__ import annotations

import re
from pathlib import Path


class Sysfs:
    """A machine's `/sys` and `/proc`.

    Args:
        root: Where they lie: `/`, or a recorded tree.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def text(self, path: str) -> str:
        """A file's content without surrounding blanks.

        Raises:
            OSError: It is not there or may not be read.
        """
        # Device-tree strings end in a zero byte.
        return (self.root / path).read_text("utf-8", errors="replace").strip().rstrip("\0")

    def number(self, path: str) -> int:
        """The one integer in a file.

        Raises:
            OSError: It is not there or may not be read.
            ValueError: It holds something else.
        """
        text = self.text(path)
        try:
            return int(text)
        except ValueError as exc:
            raise ValueError(f"/{path} holds {text[:40]!r}, not an integer") from exc

    def optional(self, path: str) -> str | None:
        """A file's content, or None where it cannot be read."""
        try:
            return self.text(path)
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        return (self.root / path).exists()

    def matching(self, pattern: str) -> list[str]:
        """Paths below the root that match a glob pattern, numbers in numeric order."""
        found = (str(path.relative_to(self.root)) for path in self.root.glob(pattern))
        return sorted(found, key=_natural)


def _natural(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]
