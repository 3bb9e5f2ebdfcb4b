"""What was found: counted a class, written down so that each can be run again."""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from pathlib import Path

from tests.fuzz import kinds, worker
from tests.fuzz.judge import FAULTS, ROOT, Verdict

# Reproductions kept of faults that look the same.
KEPT_ALIKE = 3
HEADINGS = {
    "crash": "crashes", "hang": "hangs", "memory": "memory", "untyped": "untyped errors",
    "silent": "silent answers", "unsound": "sound refused",
}  # fmt: skip


class Findings:
    """Counts verdicts of all classes and writes reproductions.

    Args:
        folder: Where reproductions go; what an earlier run left of the same class is removed.
        seed: Of the mutations.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        self.counts: dict[str, Counter[str]] = {}
        self._alike: Counter[tuple[str, str]] = Counter()
        self._sound: dict[str, list[bytes]] = {}

    def begin(self, name: str) -> None:
        """Make room for a class."""
        shutil.rmtree(self._folder / name, ignore_errors=True)
        self.counts[name] = Counter()

    def add(self, name: str, index: int, verdict: Verdict) -> Path | None:
        """Count a verdict; the folder of its reproduction if it is a fault that is kept."""
        self.counts[name][verdict.outcome] += 1
        if verdict.outcome not in FAULTS:
            return None
        alike = (name, verdict.signature)
        self._alike[alike] += 1
        return self._write(name, index, verdict) if self._alike[alike] <= KEPT_ALIKE else None

    @property
    def faults(self) -> int:
        """Of all classes together."""
        return sum(count[outcome] for count in self.counts.values() for outcome in FAULTS)

    def _write(self, name: str, index: int, verdict: Verdict) -> Path:
        kind = kinds.load(name)
        if name not in self._sound:
            self._sound[name] = kind.seeds()
        content = worker.input_of(kind, name, self._seed, index, self._sound[name])
        folder = self._folder / name / f"{verdict.outcome}-{self._seed}-{index}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"input{kind.suffix}"
        file.write_bytes(content)
        (folder / "seen.txt").write_text(verdict.text + "\n", encoding="utf-8", errors="replace")
        again = folder / "again.sh"
        command = f'"${{PYTHON:-.venv-dev/bin/python}}" -m tests.fuzz --only {name} --replay'
        again.write_text(
            f"#!/bin/sh\n# Runs the input beside this file again.\n"
            f'file=$(realpath "$(dirname "$0")/{file.name}")\n'
            f'cd {shlex.quote(str(ROOT))} && exec {command} "$file"\n'
        )
        again.chmod(0o755)
        return folder

    def table(self) -> str:
        """A line a class and one of their sums."""
        rows = [["class", "inputs", "taken", *HEADINGS.values()]]
        total: Counter[str] = Counter()
        for name, count in self.counts.items():
            rows.append([name, *_figures(count)])
            total += count
        rows.append(["all", *_figures(total)])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )


def _figures(count: Counter[str]) -> list[str]:
    return [str(n) for n in (count.total(), count["taken"], *(count[f] for f in HEADINGS))]
