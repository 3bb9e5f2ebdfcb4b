"""Memory, descriptors and threads of the service while viewers come and go.

python -m benchmarks.serve.soak [--minutes 30] [--connections 1000]

The connections are spread over the time: pages with pictures, streams of poses, events, posted
pictures, and some that break off. What is in use at the end is compared with what was after a
fifth of the time. Linux only. Exit code 1 where memory grew by more than the bar, descriptors or
threads were left over, or too many connections failed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import httpx
import websockets

from benchmarks.serve.film import write_film
from benchmarks.serve.running import Running, Seen, running, view
from litepose_edge.sources import read_image
from litepose_edge.sources.photographs import scikit_image_photographs

BAR_MB = 5.0
# Part of the connections that may fail; those that break off by themselves do not count.
MOST_FAILED = 0.01
# Descriptors that may be open beyond those before the first connection.
SPARE_DESCRIPTORS = 4
WARM_UP = 0.2
SAMPLES_S = 2.0
LEAST_MINUTES = 0.5


@dataclass(frozen=True, slots=True)
class Use:
    """What the service had in use at one moment, by the clock of the run."""

    at_s: float
    memory_mb: float
    descriptors: int
    threads: int


def use(service: Running, began: float) -> Use:
    """Now."""
    threads = len(os.listdir(f"/proc/{service.process.pid}/task"))  # noqa: PTH208 - names alone
    return Use(time.monotonic() - began, service.memory_mb, service.descriptors, threads)


async def come_and_go(service: Running, kind: int, rng: random.Random, picture: bytes) -> None:
    """One connection of some kind."""
    seconds = rng.uniform(0.2, 2.0)
    match kind % 5:
        case 0:
            await view(service.socket_url, seconds, Seen())
        case 1:
            async with websockets.connect(service.socket_url) as socket:
                await socket.recv()
                # Breaks off without a word.
                socket.transport.abort()
        case 2:
            async with httpx.AsyncClient() as client:
                url = f"{service.url}v1/stream"
                async with client.stream("GET", url, timeout=20) as answer:
                    async for _ in answer.aiter_bytes():
                        break
        case 3:
            async with httpx.AsyncClient(timeout=60) as client:
                headers = {"content-type": "image/jpeg"}
                await client.post(f"{service.url}v1/pose", content=picture, headers=headers)
                await client.post(f"{service.url}v1/snapshot?drawn=1")
        case 4:
            async with httpx.AsyncClient(timeout=20) as client:
                for path in ("", "page/app.js", "v1/status", "metrics", "openapi.json", "nothing"):
                    await client.get(f"{service.url}{path}")


async def soak(service: Running, seconds: float, connections: int) -> tuple[list[Use], float]:
    """All connections, spread over the time.

    Returns:
        What was in use meanwhile, and the part of the connections that failed.
    """
    rng, began, uses, failed = random.Random(0), time.monotonic(), [], []
    photograph = read_image(scikit_image_photographs() / "astronaut.png")
    picture = cv2.imencode(".jpg", photograph)[1].tobytes()

    async def one(number: int) -> None:
        await asyncio.sleep(seconds * number / connections)
        try:
            await come_and_go(service, number, rng, picture)
        except (OSError, httpx.HTTPError, websockets.WebSocketException) as exc:
            failed.append(f"{number % 5}: {exc!r}")

    async def sample() -> None:
        while True:
            uses.append(use(service, began))
            await asyncio.sleep(SAMPLES_S)

    sampling = asyncio.create_task(sample())
    # In portions, so that not all wait at once.
    await asyncio.gather(*(one(number) for number in range(connections)))
    await asyncio.sleep(max(seconds - (time.monotonic() - began), 0) + 5)
    sampling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sampling
    uses.append(use(service, began))
    print(f"{connections} connections, {len(failed)} failed", *failed[:3], sep="; ", flush=True)
    return uses, len(failed) / connections


def report(uses: list[Use], failed: float) -> bool:
    """Print what grew; whether it is within the bars.

    Args:
        uses: What was in use, in order of time.
        failed: Part of the connections that failed.
    """
    end = uses[-1].at_s
    early = [one for one in uses if WARM_UP * end <= one.at_s <= (WARM_UP + 0.2) * end]
    late = [one for one in uses if one.at_s >= 0.8 * end]
    before, after = (statistics.median(u.memory_mb for u in part) for part in (early, late))
    for one in uses[:: max(len(uses) // 16, 1)]:
        print(
            f"{one.at_s:6.0f} s  {one.memory_mb:6.1f} MB  {one.descriptors} descriptors, "
            f"{one.threads} threads"
        )
    # Threads start when they are first needed: at the first moment most are still missing.
    first, last, threads = uses[0], uses[-1], max(one.threads for one in early)
    print(
        f"memory {before:.1f} -> {after:.1f} MB, {after - before:+.1f} (bar {BAR_MB:+.1f}); "
        f"at the end {last.descriptors} descriptors (first {first.descriptors}), "
        f"{last.threads} threads (after the warm-up {threads}); "
        f"{failed:.1%} of the connections failed (bar {MOST_FAILED:.0%})"
    )
    return (
        after - before <= BAR_MB
        and last.descriptors <= first.descriptors + SPARE_DESCRIPTORS
        and last.threads <= threads
        and failed <= MOST_FAILED
    )


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--connections", type=int, default=1000)
    given = parser.parse_args()
    if not given.minutes >= LEAST_MINUTES:
        parser.error(f"growth cannot be told before {LEAST_MINUTES} minutes")
    with tempfile.TemporaryDirectory() as folder:
        film = str(write_film(Path(folder) / "film.mp4"))
        with running(film) as service:
            uses, failed = asyncio.run(soak(service, 60 * given.minutes, given.connections))
            alive = service.process.poll() is None
        return int(not (report(uses, failed) and alive))


if __name__ == "__main__":
    sys.exit(main())
