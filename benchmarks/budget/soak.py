"""Long use: how much memory, how many threads and descriptors a process has more at its end.

python -m benchmarks.budget.soak [--part 0.05] [--only predict,open] [--backend openvino]

Each row is a process of its own: predictions of images of every size, estimators opened and
closed, short streams (some left before their end), one long tracked stream, sixteen threads that
share an estimator for three minutes and must find what one alone finds; on each engine that is
installed. Growth is counted from the end of a warm-up. Linux only: figures come from /proc.
Exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.paths import ROOT
from litepose_edge import Estimator, Poses
from litepose_edge.sources import read_image
from litepose_edge.sources.photographs import scikit_image_photographs

Backend = Literal["onnxruntime", "openvino"]
Image = NDArray[np.uint8]
# How many people a round saw.
Work = Generator[int, None, None]

BAR_MB = 5.0
SHORTEST_WARM_UP = 20
STREAM_FRAMES = 12
THREADS = 16
# Pictures that the threads share, each of a size of its own.
SHARED_PICTURES = 12


@dataclass(frozen=True, slots=True)
class Use:
    """What a process has in use.

    Attributes:
        resident_mb: Memory in RAM.
        threads: Of the system, whoever started them.
        descriptors: Open files, pipes and sockets.
    """

    resident_mb: float
    threads: int
    descriptors: int

    @classmethod
    def now(cls) -> Use:
        """Of this process, without what only waits to be collected or given back."""
        gc.collect()
        _give_back()
        status = Path("/proc/self/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return cls(
            resident_mb=int(fields["VmRSS"].split()[0]) / 1024,
            threads=int(fields["Threads"]),
            descriptors=len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names alone
        )


def _give_back() -> None:
    """Have the C library return free memory: what it keeps varies by 8 MB from call to call."""
    with contextlib.suppress(AttributeError, OSError):  # other C libraries have no such function
        ctypes.CDLL(None).malloc_trim(0)


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for.

    Returns:
        1 where a bar is missed, else 0.
    """
    options = _parser().parse_args(arguments)
    if options.one is not None:
        before, after, people = measure(options.one, options.backend[0], options.part)
        print(json.dumps({"before": asdict(before), "after": asdict(after), "people": people}))
        return 0
    missed = 0
    print(f"{'':24}{'rounds':>8}{'people':>8}{'grown MB':>10}{'threads':>9}{'descriptors':>13}")
    for backend in options.backend:
        for name in options.only:
            before, after, people = _in_a_process(name, backend, options.part)
            good = reached(before, after, memory=name != "threads")
            missed += not good
            print(
                f"{name + ', ' + backend:24}{rounds_of(name, options.part):8}{people:8}"
                f"{after.resident_mb - before.resident_mb:10.2f}"
                f"{after.threads - before.threads:+9}"
                f"{after.descriptors - before.descriptors:+13}  "
                f"{'reached' if good else 'NOT reached'}",
                flush=True,
            )
    print(
        f"bar: at most {BAR_MB:g} MB (not of threads), no thread and no descriptor more than after "
        "the warm-up"
    )
    return int(missed > 0)


def reached(before: Use, after: Use, *, memory: bool = True) -> bool:
    """Whether a process has not grown by more than it may.

    Args:
        before: After the warm-up.
        after: At the end.
        memory: Whether its memory counts. What threads need together depends on how many of them
            were in the network at once, which the warm-up need not have seen.
    """
    return (
        (after.resident_mb - before.resident_mb <= BAR_MB or not memory)
        and after.threads <= before.threads
        and after.descriptors <= before.descriptors
    )


def rounds_of(name: str, part: float) -> int:
    """How often a scenario is repeated."""
    return max(round(SCENARIOS[name][0] * part), 2 * SHORTEST_WARM_UP)


def measure(name: str, backend: Backend, part: float) -> tuple[Use, Use, int]:
    """Run a scenario in this process.

    Args:
        name: Which.
        backend: The engine.
        part: Of the full number of rounds.

    Returns:
        Use after the warm-up and at the end, and how many people were seen: proof of work.
    """
    rounds = rounds_of(name, part)
    warm_up, people = max(rounds // 5, SHORTEST_WARM_UP), 0
    before = after = Use.now()
    with contextlib.closing(SCENARIOS[name][1](backend, rounds)) as work:
        for number, seen in enumerate(work):
            people += seen
            if number + 1 == warm_up:
                before = Use.now()
            if number + 1 == rounds:
                # Here and not later: nothing is closed that was not at `before`.
                after = Use.now()
                break
    return before, after, people


def _predict(backend: Backend, rounds: int) -> Work:
    """Predictions of images whose sizes change all the time."""
    photograph = _photograph()
    rng = np.random.default_rng(1)
    with Estimator(backend=backend, threads=1) as estimator:
        for number in range(rounds):
            # The largest come first: what an engine keeps for them belongs to the warm-up.
            size = (960, 960) if number < 2 else tuple(2 * rng.integers(32, 481, 2))
            image = cv2.resize(photograph, (int(size[0]), int(size[1]))).astype(np.uint8)
            yield len(estimator.predict(image))


def _open(backend: Backend, rounds: int) -> Work:
    """Estimators that are opened, used once and closed."""
    photograph = _photograph()
    for _ in range(rounds):
        with Estimator(backend=backend, threads=1) as estimator:
            people = len(estimator.predict(photograph))
        yield people


def _stream(backend: Backend, rounds: int) -> Work:
    """Short streams: to their end, left in the middle, tracked and not."""
    with Estimator(backend=backend, threads=2) as estimator:
        for number in range(rounds):
            people = 0
            stream = estimator.stream(frames(STREAM_FRAMES), detect_every=3 if number % 2 else None)
            for result in stream:
                people += len(result.poses)
                if number % 3 == 0 and result.index == STREAM_FRAMES // 2:
                    stream.close()  # type: ignore[attr-defined]
                    break
            yield people


def _track(backend: Backend, rounds: int) -> Work:
    """One long stream in which a person comes and goes."""
    with Estimator(backend=backend) as estimator:
        for result in estimator.stream(frames(rounds), detect_every=10):
            yield len(result.poses)


def _threads(backend: Backend, rounds: int) -> Work:
    """Threads that share an estimator, for so many seconds.

    Raises:
        AssertionError: One finds other people than a thread alone.
    """
    photograph, rng = _photograph(), np.random.default_rng(2)
    sizes = [(960, 960), *(2 * rng.integers(48, 321, (SHARED_PICTURES - 1, 2))).tolist()]
    images = [cv2.resize(photograph, size).astype(np.uint8) for size in sizes]
    people, stop = [0] * THREADS, threading.Event()
    with Estimator(backend=backend, threads=1) as estimator:
        alone = [estimator.predict(image) for image in images]
        boxed = [
            estimator.predict(image, boxes_xyxy=poses.boxes_xyxy)
            for image, poses in zip(images, alone, strict=True)
        ]

        def work(number: int) -> None:
            order = np.random.default_rng(number)
            while not stop.is_set():
                i, with_boxes = int(order.integers(len(images))), bool(order.integers(2))
                boxes = alone[i].boxes_xyxy if with_boxes else None
                found = estimator.predict(images[i], boxes_xyxy=boxes)
                _check_same(found, boxed[i] if with_boxes else alone[i])
                people[number] += len(found)

        with ThreadPoolExecutor(THREADS) as pool:
            running = [pool.submit(work, number) for number in range(THREADS)]
            try:
                yield from _seconds(rounds, running, people)
            finally:
                stop.set()


def _seconds(rounds: int, running: list[Future[None]], people: list[int]) -> Work:
    """People found in each second by threads; the error of one that failed."""
    seen = 0
    for _ in range(rounds):
        time.sleep(1)
        for thread in running:
            if thread.done():
                thread.result()
        before, seen = seen, sum(people)
        yield seen - before


def _check_same(found: Poses, alone: Poses) -> None:
    if not np.array_equal(people_of(found), people_of(alone)):
        raise AssertionError("other people than a thread alone finds")


def people_of(poses: Poses) -> NDArray[np.float32]:
    """All numbers of a result."""
    arrays = (poses.keypoints, poses.scores, poses.boxes_xyxy, poses.person_scores)
    return np.concatenate([array.ravel() for array in arrays])


# Rounds of a whole run, and what makes them.
SCENARIOS: dict[str, tuple[int, Callable[[Backend, int], Work]]] = {
    "predict": (20_000, _predict),
    "open": (300, _open),
    "stream": (300, _stream),
    "track": (20_000, _track),
    "threads": (180, _threads),
}


def frames(count: int) -> Iterator[Image]:
    """Scikit-image's astronaut, who moves to and fro and is not there in every fourth hundred."""
    picture = cv2.resize(_photograph(), (240, 240), interpolation=cv2.INTER_AREA)
    for number in range(count):
        frame = np.full((240, 320, 3), 110, np.uint8)
        if number % 400 < 300:
            x = int(40 + 40 * np.sin(number / 40))
            frame[:, x : x + 240] = picture
        yield frame


def _photograph() -> Image:
    return read_image(scikit_image_photographs() / "astronaut.png")


def _in_a_process(name: str, backend: Backend, part: float) -> tuple[Use, Use, int]:
    command = [sys.executable, "-m", "benchmarks.budget.soak", "--one", name]
    command += ["--backend", backend, "--part", str(part)]
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "LITEPOSE_EDGE_CACHE": cache},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    return Use(**found["before"]), Use(**found["after"]), found["people"]


def _names(text: str) -> list[str]:
    chosen = text.split(",")
    unknown = [name for name in chosen if name not in SCENARIOS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(SCENARIOS)}")
    return chosen


def _parser() -> argparse.ArgumentParser:
    installed = ["onnxruntime"] + ["openvino"] * (importlib.util.find_spec("openvino") is not None)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", type=float, default=1.0, help="of the rounds, for a shorter run")
    parser.add_argument("--only", type=_names, default=list(SCENARIOS), help=", ".join(SCENARIOS))
    parser.add_argument("--backend", nargs="+", default=installed, choices=installed)
    parser.add_argument("--one", choices=SCENARIOS, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
