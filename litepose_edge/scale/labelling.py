"""Labels an archive into a folder of shards: what is there already is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import litepose_edge
from litepose_edge.backends import bundled
from litepose_edge.options import whole_number
from litepose_edge.scale.crops import CropsFolder
from litepose_edge.scale.folder import RunFolder, options_key
from litepose_edge.scale.listing import list_inputs
from litepose_edge.scale.options import LabelOptions
from litepose_edge.scale.record import SOURCES, VERSIONS
from litepose_edge.scale.shards import arrow
from litepose_edge.scale.units import Failure, Unit, cut_into_units, readable
from litepose_edge.scale.work import Job, UnitResult, make_job
from litepose_edge.scale.workers.local import run_here, run_locally
from litepose_edge.threads import available_threads

SCHEMA = 1
MOST_WORKERS = 1024


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run has done.

    Attributes:
        out: The folder.
        shards: Made by this run.
        kept: Shards that were there.
        removed: Shards whose inputs have come into others, with `prune` also those that nothing
            names any more.
        others: Shards that are there though nothing names their inputs any more.
        inputs: Images and films of this run's shards.
        frames: Images and frames labelled by this run.
        people: Found in them.
        failed: Inputs without labels, or without all, of this run and those before; each is a row
            of `failures`.
        failures: `failures.parquet`.
        seconds: From the first input to the last shard.
        start_seconds: Before that: networks looked up, a Ray cluster joined or started.
    """

    out: Path
    shards: int
    kept: int
    removed: int
    others: int
    inputs: int
    frames: int
    people: int
    failed: int
    failures: Path
    seconds: float
    start_seconds: float

    def __str__(self) -> str:
        rate = self.people / max(self.seconds, 1e-6)
        kept = f", {self.kept} shards kept" if self.kept else ""
        removed = f", {self.removed} removed" if self.removed else ""
        others = (
            f", {self.others} shards of inputs that are named no more (to remove them: prune)"
            if self.others
            else ""
        )
        failed = f", {self.failed} failed (see {self.failures})" if self.failed else ""
        return (
            f"{self.inputs} inputs, {self.frames} frames, {self.people} people, "
            f"{self.seconds:.1f} s ({rate:.1f} people a second), {self.shards} shards in "
            f"{self.out}{kept}{removed}{others}{failed}"
        )


def label(
    sources: str | PathLike[str] | Iterable[str | PathLike[str]],
    out: str | PathLike[str],
    options: LabelOptions | None = None,
    *,
    lists: Sequence[str | PathLike[str]] = (),
    workers: int | None = None,
    ray: str | None = None,
    retry_failed: bool = False,
    prune: bool = False,
    on_frame: Callable[[int], None] = lambda people: None,
    on_start: Callable[[str], None] = lambda text: None,
) -> Summary:
    """Find the people of every image and film frame of an archive.

    Run it again after it was ended, or when the archive has grown: shards that are there are kept.
    Shards whose inputs have come into others are removed when all sources could be listed; those
    of names that are gone stay, a list may have ended too early.

    Args:
        sources: Images, folders, patterns, films, URLs; of object stores by fsspec.
        out: Folder of the labels, of these sources and options alone.
        options: How; the default networks and format unless given.
        lists: Text files of inputs, one a line.
        workers: Worker processes, or Ray's actors at most; all CPUs unless given. 0 labels in
            this process, for debugging.
        ray: Address of a Ray cluster, or `"auto"`; None labels here.
        retry_failed: Do units again in which an input failed.
        prune: Also remove the shards of inputs that nothing names any more.
        on_frame: Told the people after each frame; what it raises ends the run.
        on_start: Told what runs.

    Raises:
        OutputError: The folder cannot be written, or holds the labels of another run or of other
            versions of the packages.
        ModelError: A network cannot be used.
        BackendUnavailableError: A package is not installed.
        SourceError: No Ray cluster answers.
        WorkerError: Worker processes die, whatever they are given.
        ValueError: An option is out of range.
    """
    called = time.monotonic()
    arrow()  # before any work
    if workers is not None:
        workers = whole_number("workers", workers, 0 if ray is None else 1, MOST_WORKERS)
    named = [sources] if isinstance(sources, str | PathLike) else list(sources)
    places = [os.fspath(source) for source in named]
    listed = [os.fspath(name) for name in lists]
    if not places and not listed:
        raise ValueError("no sources: name images, folders, films or lists")
    options = _absolute(options or LabelOptions())
    job = make_job(options)
    about = {
        "schema": SCHEMA,
        "made_by": "litepose-edge label",
        SOURCES: _described(places, listed),
        "options": options.as_dict(),
        "models": job.hashes,
        VERSIONS: job.versions,
        "keypoint_names": list(job.keypoint_names),
    }
    folder = RunFolder(Path(out), about, options.suffix)
    with ExitStack() as stack:
        told = stack.enter_context(_callback(on_frame))
        stack.enter_context(closing(folder))
        crops = None
        if options.crops is not None:
            crops = stack.enter_context(closing(CropsFolder(options.crops, about)))
        run = _Run(folder, crops, retry_failed)
        units = run.to_do(_units(places, listed, options, options_key(about), run.failures))
        on_start(f"litepose-edge {litepose_edge.__version__}, {job.model}")
        began = time.monotonic()

        def started(text: str) -> None:
            nonlocal began
            on_start(text)
            began = time.monotonic()

        with closing(_results(units, job, ray, workers, told, started)) as results:
            for result in results:
                folder.commit(result)
                run.count(result)
        seconds = time.monotonic() - began
        folder.keep_source_failures(run.failures)
        removed = others = 0
        if not run.failures:  # a store that cannot be listed today has not lost its files
            removed, others = _tidy(folder, crops, run.is_wanted, prune=prune)
        failed = folder.gather_failures()
        if crops is not None:
            crops.join(job.keypoint_names, folder.units())
        return Summary(
            out=folder.path,
            shards=run.shards,
            kept=run.kept,
            removed=removed,
            others=others,
            inputs=run.inputs,
            frames=run.frames,
            people=run.people,
            failed=failed,
            failures=folder.failures_path,
            seconds=seconds,
            start_seconds=began - called,
        )


class _CallbackError(BaseException):
    """What the caller's function raised: the fault of no input, so no `Exception`."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@contextmanager
def _callback(on_frame: Callable[[int], None]) -> Iterator[Callable[[int], None]]:
    """The caller's function, whose error is raised when the block ends, whatever is in between."""

    def told(people: int) -> None:
        try:
            on_frame(people)
        except Exception as exc:
            raise _CallbackError(exc) from exc

    try:
        yield told
    except _CallbackError as exc:
        raise exc.error from None


class _Run:
    """What is to be done and what was."""

    def __init__(self, folder: RunFolder, crops: CropsFolder | None, retry_failed: bool) -> None:
        self._folder, self._crops, self._retry_failed = folder, crops, retry_failed
        self._names: set[bytes] = set()
        self.failures: list[Failure] = []
        self.shards = self.kept = self.inputs = self.frames = self.people = 0

    def to_do(self, units: Iterable[Unit]) -> Iterator[Unit]:
        for unit in units:
            self._names.add(bytes.fromhex(unit.name))
            done = self._folder.is_done(unit.name, retry_failed=self._retry_failed)
            if done and (self._crops is None or self._crops.has(unit.name)):
                self.kept += 1
            else:
                self._folder.keep_inputs(unit)
                yield unit

    def is_wanted(self, unit: str) -> bool:
        try:
            return bytes.fromhex(unit) in self._names
        except ValueError:  # not ours, so not ours to remove
            return True

    def count(self, result: UnitResult) -> None:
        self.shards += result.shard is not None
        self.inputs += result.inputs
        self.frames += result.frames
        self.people += result.people


def _tidy(
    folder: RunFolder, crops: CropsFolder | None, is_wanted: Callable[[str], bool], *, prune: bool
) -> tuple[int, int]:
    """Remove what no unit has any more; shards removed, and shards left."""
    moved, others = folder.sort_others(is_wanted)
    gone = moved + others if prune else moved
    if crops is not None:
        crops.remove(gone)  # first, for the shards are what tells that they are to be removed
    folder.remove(gone)
    folder.remove_notes(is_wanted)
    return len(gone), 0 if prune else len(others)


def _units(
    places: list[str], lists: list[str], options: LabelOptions, key: str, failures: list[Failure]
) -> Iterator[Unit]:
    def inputs() -> Iterator[str]:
        for one in list_inputs(places, lists):
            if isinstance(one, Failure):
                failures.append(one)
            else:
                yield one

    return cut_into_units(inputs(), options.shard_size, key)


def _results(
    units: Iterator[Unit],
    job: Job,
    ray: str | None,
    workers: int | None,
    on_frame: Callable[[int], None],
    started: Callable[[str], None],
) -> Generator[UnitResult, None, None]:
    if ray is not None:
        from litepose_edge.scale.workers.cluster import run_on_ray

        return run_on_ray(units, job, ray, workers, on_frame, started)
    if workers == 0:
        return run_here(units, job, on_frame)
    return run_locally(units, job, workers or available_threads(), on_frame)


def _absolute(options: LabelOptions) -> LabelOptions:
    """Paths that mean the same from every working folder."""
    changed: dict[str, Any] = {}
    for option in ("model", "detector", "crops"):
        value = getattr(options, option)
        named = option != "crops" and value is not None and bundled.is_name(value)
        if value is not None and not named:
            changed[option] = os.path.abspath(value)  # noqa: PTH100 - keeps links
    return replace(options, **changed)


def _described(places: list[str], lists: list[str]) -> dict[str, Any]:
    """The sources as a later run from another folder would name them."""

    def absolute(name: str) -> str:
        return name if "://" in name or name == "-" else os.path.abspath(name)  # noqa: PTH100

    def text(name: str) -> str:
        return readable(absolute(name))

    return {"named": [text(p) for p in places], "lists": [text(name) for name in lists]}
