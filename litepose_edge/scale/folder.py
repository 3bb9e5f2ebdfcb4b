"""The folder of a labelling run: its description, its shards, what failed.

OUT/run.json            sources, options and versions; another run is refused
OUT/people/NAME.parquet one shard a unit, named by its inputs
OUT/failures.parquet    one row an input, written at the end
OUT/.failures/NAME.json what failed in a unit, beside it until then
OUT/.inputs/NAME.bin    digests of a unit's inputs: whether those of a shard came into another one
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.atomic_files import NewFile, make_folder, write_file
from litepose_edge.errors import OutputError
from litepose_edge.scale.record import SOURCES, check_record, locked
from litepose_edge.scale.shards import arrow, parquet_writer
from litepose_edge.scale.units import INPUT_BYTES, Failure, Unit, input_digests
from litepose_edge.scale.work import UnitResult

PEOPLE, FAILURES, PARTS, LOCK = "people", "failures.parquet", ".failures", ".lock"
INPUTS, INPUTS_SUFFIX = ".inputs", ".bin"
# What is not in a unit: sources that name no input.
NO_UNIT = "sources"
ROWS_A_GROUP = 65_536
# Whose inputs are in memory when they are compared with all the others'.
UNITS_AT_ONCE = 4096


class RunFolder:
    """Where one run's labels are; one run at a time writes into it.

    Args:
        path: Made if it is not there.
        about: What decides the content, as JSON takes it.
        suffix: Of the shards.

    Raises:
        OutputError: It cannot be written, another run is writing, or its labels were made of other
            sources, with other options or with other packages.
    """

    def __init__(self, path: Path, about: dict[str, Any], suffix: str) -> None:
        self.path, self._suffix = path, suffix
        for folder in (path, path / PEOPLE, path / PARTS, path / INPUTS):
            make_folder(folder)
        self._lock = locked(path / LOCK, "--out")
        try:
            labels = next(iter(self.units()), None) is not None
            check_record(path, about, "--out", holds=labels)
            self._clear()
        except BaseException:
            self.close()
            raise

    @property
    def failures_path(self) -> Path:
        """The table of what failed."""
        return self.path / FAILURES

    def is_done(self, unit: str, *, retry_failed: bool = False) -> bool:
        """Whether the unit's shard is there, with `retry_failed` also whole."""
        if not self._shard(unit).exists():
            return False
        return not (retry_failed and self._part(unit).exists())

    def commit(self, result: UnitResult) -> None:
        """Write what became of a unit: its failures, then the shard, which makes it done.

        Raises:
            OutputError: It cannot be written.
        """
        if result.failures:
            self.keep_failures(result.name, result.failures)
        if result.shard is not None:
            write_file(self._shard(result.name), result.shard, make_folder=False)
        if not result.failures:
            with contextlib.suppress(OSError):
                self._part(result.name).unlink()

    def keep_failures(self, unit: str, failures: tuple[Failure, ...]) -> None:
        """Keep a unit's failures, in the place of those of an earlier run.

        Raises:
            OutputError: They cannot be written.
        """
        rows = [[failure.source, failure.kind, failure.reason] for failure in failures]
        write_file(self._part(unit), json.dumps(rows).encode(), make_folder=False)

    def keep_source_failures(self, failures: list[Failure]) -> None:
        """Those of sources that name no input: of this run alone.

        Raises:
            OutputError: They cannot be written.
        """
        if failures:
            self.keep_failures(NO_UNIT, tuple(failures))
        else:
            self._part(NO_UNIT).unlink(missing_ok=True)

    def keep_inputs(self, unit: Unit) -> None:
        """Note a unit's inputs, before its shard is there.

        Raises:
            OutputError: They cannot be written.
        """
        write_file(self._inputs(unit.name), input_digests(unit), make_folder=False)

    def sort_others(self, is_wanted: Callable[[str], bool]) -> tuple[list[str], list[str]]:
        """Shards that no unit of the sources has any more.

        Returns:
            Those of which an input has come into another shard, as where an archive grew, and
            the rest: nothing names their inputs. Both sorted.

        Raises:
            OutputError: The note of a unit's inputs cannot be read.
        """
        others = [name for name in self.units() if not is_wanted(name)]
        moved: list[str] = []
        for start in range(0, len(others), UNITS_AT_ONCE):
            part = others[start : start + UNITS_AT_ONCE]
            digests = [self._digests(name) for name in part]
            owner = np.repeat(np.arange(len(part)), [len(inputs) for inputs in digests])
            inputs = np.concatenate(digests)
            by_value, shared = np.sort(inputs), [inputs[:0]]
            for name in _names(self.path / PEOPLE, self._suffix):
                if len(by_value) and is_wanted(name):
                    wanted = self._digests(name)
                    place = np.searchsorted(by_value, wanted).clip(max=len(by_value) - 1)
                    shared.append(wanted[by_value[place] == wanted])
            is_shared = np.isin(inputs, np.concatenate(shared))
            moved += [part[i] for i in np.unique(owner[is_shared])]
        gone = set(moved)
        return moved, [name for name in others if name not in gone]

    def remove(self, units: list[str]) -> None:
        """Remove shards and what is noted of them.

        Raises:
            OutputError: One cannot be removed.
        """
        with self._removing():
            for name in units:
                self._part(name).unlink(missing_ok=True)
                self._shard(name).unlink(missing_ok=True)
                self._inputs(name).unlink(missing_ok=True)

    def remove_notes(self, is_wanted: Callable[[str], bool]) -> None:
        """Remove what is noted of units that are not wanted and have no shard.

        Raises:
            OutputError: A note cannot be removed.
        """
        with self._removing():
            for folder, suffix in ((PARTS, ".json"), (INPUTS, INPUTS_SUFFIX)):
                for name in _names(self.path / folder, suffix):
                    kept = name == NO_UNIT or is_wanted(name) or self._shard(name).exists()
                    if not kept:
                        (self.path / folder / f"{name}{suffix}").unlink(missing_ok=True)

    def units(self) -> Iterator[str]:
        """Names of the shards that are there, sorted."""
        return iter(sorted(_names(self.path / PEOPLE, self._suffix)))

    def gather_failures(self) -> int:
        """Write `failures.parquet`, sorted by unit and position; how many rows it has.

        Raises:
            OutputError: It cannot be written.
        """
        pa, _ = arrow()
        schema = pa.schema(
            [("source", pa.string()), ("kind", pa.string()), ("reason", pa.string())]
        )
        file, count = NewFile(self.failures_path), 0
        waiting: list[list[str]] = []
        try:
            writer = parquet_writer(_Sink(file), schema)

            def flush() -> None:
                columns = [pa.array(column, pa.string()) for column in zip(*waiting, strict=True)]
                writer.write_table(pa.table(columns, schema=schema))
                waiting.clear()

            for unit in sorted(_names(self.path / PARTS, ".json")):
                rows = json.loads(self._part(unit).read_bytes())
                waiting += rows
                count += len(rows)
                if len(waiting) >= ROWS_A_GROUP:
                    flush()
            if waiting:
                flush()
            writer.close()
            file.commit()
        except OSError as exc:
            file.discard()
            raise OutputError(f"cannot write {self.failures_path}: {exc}") from exc
        except BaseException:
            file.discard()
            raise
        return count

    def close(self) -> None:
        """Let another run write."""
        self._lock.close()

    @contextlib.contextmanager
    def _removing(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise OutputError(f"cannot remove from {self.path}: {exc.strerror}") from exc

    def _shard(self, unit: str) -> Path:
        return self.path / PEOPLE / f"{unit}{self._suffix}"

    def _part(self, unit: str) -> Path:
        return self.path / PARTS / f"{unit}.json"

    def _inputs(self, unit: str) -> Path:
        return self.path / INPUTS / f"{unit}{INPUTS_SUFFIX}"

    def _digests(self, unit: str) -> NDArray[np.uint64]:
        """A unit's inputs; none where there is no note, as of a file that is not ours."""
        try:
            content = self._inputs(unit).read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError as exc:
            raise OutputError(f"cannot read {self._inputs(unit)}: {exc.strerror}") from exc
        return np.frombuffer(content[: len(content) // INPUT_BYTES * INPUT_BYTES], np.uint64)

    def _clear(self) -> None:
        """Remove what a run that was ended was writing."""
        for folder in (self.path, *(self.path / name for name in (PEOPLE, PARTS, INPUTS))):
            for partial in folder.glob(".*.part*"):
                with contextlib.suppress(OSError):
                    partial.unlink()


class _Sink:
    """A file of ours as pyarrow writes to one."""

    closed = False

    def __init__(self, file: NewFile) -> None:
        self._file, self._position = file, 0

    def write(self, content: Any) -> int:
        part = memoryview(content)
        self._file.write(part)
        self._position += part.nbytes
        return part.nbytes

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def options_key(about: dict[str, Any]) -> str:
    """What decides a shard's content beside its inputs, as text; part of the units' names."""
    content = json.dumps({k: v for k, v in about.items() if k != SOURCES}, sort_keys=True)
    return blake2b(content.encode(), digest_size=16).hexdigest()


def _names(folder: Path, suffix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(suffix) and not entry.name.startswith("."):
                yield entry.name.removesuffix(suffix)
