"""A search's folder: what is done is kept, each part in a file written whole, after each step.

A search that was killed and goes on ends with the answer of one that was not: whatever is drawn
at random comes from generators whose state is kept, or from seeds of a step's number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from litepose_edge.atomic_files import make_folder, read_file, write_file
from litepose_export.errors import SearchError

SCHEMA = 1
STATE, PARTS = "search.json", "state"
COSTS, RESULT, REPORT = "costs.json", "result.json", "report.html"


class RunFolder:
    """The folder of one search.

    Args:
        path: Where; made unless it is there.
        search: What the search is, as `SearchJob.fingerprint` and the search's own options.

    Attributes:
        is_new: Whether nothing had been done in it before.

    Raises:
        SearchError: It holds another search, or its state is damaged.
        OutputError: It cannot be made.
    """

    def __init__(self, path: Path, search: Mapping[str, Any]) -> None:
        make_folder(path)
        self.path = path
        self._search = json.loads(json.dumps(search))
        self.is_new = not (path / STATE).exists()
        if self.is_new:
            document = {"schema": SCHEMA, "search": self._search}
            write_file(path / STATE, json.dumps(document, indent=1).encode())
        else:
            self._check()

    def get(self, part: str) -> Any:
        """What was kept of a part of the search; None if nothing was.

        Raises:
            SearchError: The file is damaged.
        """
        path = self._file(part)
        return _read(path) if path.exists() else None

    def put(self, part: str, content: Any) -> None:
        """Keep what a part of the search needs to go on; JSON, on the disk when this returns."""
        write_file(self._file(part), json.dumps(content).encode())

    def _file(self, part: str) -> Path:
        return self.path / PARTS / f"{part}.json"

    def _check(self) -> None:
        path = self.path / STATE
        document = _read(path)
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise SearchError(f"{path} is of another version: use a new folder")
        search = document["search"]
        for key in sorted(set(search) | set(self._search)):
            if search.get(key) != self._search.get(key):
                raise SearchError(
                    f"{self.path} holds another search: its {key} is {search.get(key)!r:.60}, "
                    f"asked for is {self._search.get(key)!r:.60}; name another folder with --out"
                )


def _read(path: Path) -> Any:
    try:
        return json.loads(read_file(path))
    except (OSError, ValueError) as exc:
        raise SearchError(f"{path} is damaged: {exc}; use a new folder") from exc


def generator_state(rng: np.random.Generator) -> dict[str, Any]:
    """A generator's state as JSON."""
    state: dict[str, Any] = json.loads(json.dumps(rng.bit_generator.state))
    return state


def restored_generator(state: Mapping[str, Any]) -> np.random.Generator:
    """The generator that goes on from a state.

    Raises:
        SearchError: It is none.
    """
    rng = np.random.default_rng(0)
    try:
        rng.bit_generator.state = dict(state)
    except (ValueError, KeyError, TypeError) as exc:
        raise SearchError(f"the state of a random generator is damaged: {exc}") from exc
    return rng
