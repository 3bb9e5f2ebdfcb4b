"""What both comparisons share: ways to people, opened where they are here, run in turns, scored."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from litepose_edge.measure.timing import time_call, turn_order

PROGRESS = 50


class NotHereError(Exception):
    """What a way needs is not on this machine; the message says what."""


class Way(Protocol):
    """One way to people."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    @property
    def open(self) -> Callable[[], Callable[..., Any]]:
        """Loads it.

        Raises:
            NotHereError: It cannot be had.
        """


def measure(
    ways: Sequence[Way],
    frames: Iterable[tuple[Any, ...]],
    entries: Callable[[int, Any], list[dict[str, Any]]],
    *,
    settle_s: float = 0,
) -> dict[str, Any]:
    """Times and results of all ways, frame after frame in turns.

    Args:
        ways: What is compared.
        frames: An image id, and what a way is called with.
        entries: From an image id and an answer to entries of COCO's results.
        settle_s: To wait after each call.

    Returns:
        By the names of the ways `missing`, `wall_ms`, `cpu_ms` and `results`; and `images`, ids.
    """
    opened: list[tuple[Way, Callable[..., Any]]] = []
    missing: dict[str, str] = {}
    for way in ways:
        try:
            opened.append((way, way.open()))
        except NotHereError as exc:
            missing[way.name] = str(exc)
    found: dict[str, Any] = {"missing": missing, "images": []}
    for kind in ("wall_ms", "cpu_ms", "results"):
        found[kind] = {way.name: [] for way, _ in opened}
    for number, (image_id, *given) in enumerate(frames):
        if image_id not in found["images"][-1:]:
            found["images"].append(image_id)
        for way, run in turn_order(opened, number):
            answer, elapsed = time_call(partial(run, *given))
            found["wall_ms"][way.name].append(elapsed.wall_ms)
            found["cpu_ms"][way.name].append(elapsed.cpu_ms)
            found["results"][way.name] += entries(image_id, answer)
            time.sleep(settle_s)
        if number % PROGRESS == PROGRESS - 1:
            print(f"{number + 1} done", file=sys.stderr, flush=True)
    return found


def accuracy(
    data: Path, found: dict[str, Any], name: str, least_score: float = 0
) -> dict[str, float] | None:
    """COCO's figures of a way's people from a score on; None where there is nothing to score."""
    if name not in found["results"] or not data.exists():
        return None
    if importlib.util.find_spec("pycocotools") is None:
        return None
    from litepose_edge.measure.accuracy.coco_metrics import coco_metrics

    people = [entry for entry in found["results"][name] if entry["score"] >= least_score]
    return coco_metrics(data, people, "keypoints", found["images"]).to_dict()
