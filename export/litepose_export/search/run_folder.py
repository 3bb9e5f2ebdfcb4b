"""A search's folder: its state, written whole after each step, so that it goes on where it ended.

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
STATE, COSTS, RESULT, REPORT = "state.json", "costs.json", "result.json", "report.html"


class RunFolder:
    """The folder of one search.

    Args:
        path: Where; made unless it is there.
        search: What the search is, as `SearchJob.fingerprint` and the search's own options.

    Raises:
        SearchError: It holds another search, or its state is damaged.
        OutputError: It cannot be made.
    """

    def __init__(self, path: Path, search: Mapping[str, Any]) -> None:
        make_folder(path)
        self.path = path
        self._search = json.loads(json.dumps(search))
        self._state: dict[str, Any] = {}
        if (path / STATE).exists():
            self._state = self._read()

    @property
    def is_new(self) -> bool:
        """Whether nothing has been done yet."""
        return not self._state

    def get(self, part: str) -> Any:
        """What was kept of a part of the search; None if nothing was."""
        return self._state.get(part)

    def put(self, part: str, content: Any) -> None:
        """Keep what a part of the search needs to go on; JSON, on the disk when this returns."""
        self._state[part] = content
        document = {"schema": SCHEMA, "search": self._search, "state": self._state}
        write_file(self.path / STATE, json.dumps(document).encode())

    def _read(self) -> dict[str, Any]:
        path = self.path / STATE
        try:
            document = json.loads(read_file(path))
            schema, search, state = (document[key] for key in ("schema", "search", "state"))
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise SearchError(f"{path} is no state of a search: {exc!r}; use a new folder") from exc
        if schema != SCHEMA:
            raise SearchError(f"{path} is of another version ({schema}): use a new folder")
        for key in sorted(set(search) | set(self._search)):
            if search.get(key) != self._search.get(key):
                raise SearchError(
                    f"{self.path} holds another search: its {key} is {search.get(key)!r:.60}, "
                    f"asked for is {self._search.get(key)!r:.60}; name another folder with --out"
                )
        found: dict[str, Any] = state
        return found


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
