"""What the service costs: CPU time beside the same stream without it, and latency to viewers.

python -m benchmarks.serve.cost [--seconds 15] [--rounds 3] [--viewers 0,1,16]

A film of 640x480 at 30 frames a second; viewers are processes of their own. Two ratios. *Within*:
in one process, all its CPU time over that of the threads that read, track and infer; what else
runs on the machine slows both alike. *Beside*: a frame of the service over a frame of the stream
alone, in turns, by medians; right on a quiet machine. Linux only. Exit code 1 where a bar is
missed by the first.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.serve.film import write_film
from benchmarks.serve.running import Running, Seen, running, view
from litepose_edge import Estimator
from litepose_edge.serve.stream.playback import played
from litepose_edge.sources import open_source

# CPU time of the stream without the service, by viewers; and milliseconds beyond inference.
BARS = {1: 1.10, 16: 1.5}
LATENCY_BAR_MS = 150.0
WARM_UP_FRAMES = 30
SERVING = ("MainThread", "litepose-viewers", "litepose-aside")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--viewers", default="0,1,16")
    parser.add_argument("--plain", help=argparse.SUPPRESS)
    parser.add_argument("--watch", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.plain:
        print(plain_ms(given.plain, given.seconds))
        return 0
    if given.watch:
        watch(given.watch[0], int(given.watch[1]), given.seconds)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        film = str(write_film(Path(folder) / "film.mp4"))
        return compare(film, [int(n) for n in given.viewers.split(",")], given)


def compare(film: str, viewers: list[int], given: argparse.Namespace) -> int:
    """All rows, in turns."""
    plain: list[float] = []
    rows: dict[int, list[Cost]] = {count: [] for count in viewers}
    for number in range(given.rounds):
        command = [sys.executable, "-m", "benchmarks.serve.cost", "--plain", film]
        done = subprocess.run(
            [*command, "--seconds", str(given.seconds)], capture_output=True, text=True, check=True
        )
        plain.append(float(done.stdout))
        for count in viewers:
            rows[count].append(cost_of(film, count, given.seconds))
        told = ", ".join(f"{n} viewers {rows[n][-1]}" for n in viewers)
        print(f"round {number + 1}: plain {plain[-1]:.2f} ms a frame; {told}", flush=True)
    missed = False
    base = statistics.median(plain)
    for count, costs in rows.items():
        within = statistics.median(cost.within for cost in costs)
        beside = statistics.median(cost.frame_ms for cost in costs) / base
        beyond = statistics.median(cost.beyond_ms for cost in costs)
        bar = BARS.get(count, 2.0)
        missed |= within > bar or (count == 1 and beyond > LATENCY_BAR_MS)
        print(
            f"{count:3} viewers: within {within:.3f}, beside {beside:.3f} (bar {bar}); "
            f"p95 to the viewer {beyond:.0f} ms beyond inference"
        )
    return int(missed)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run cost.

    Attributes:
        within: All CPU time over that of the stream's own threads.
        frame_ms: CPU milliseconds a treated frame.
        beyond_ms: p95 from a frame to viewers less that to its poses.
        fps: Frames treated a second.
    """

    within: float
    frame_ms: float
    beyond_ms: float
    fps: float

    def __str__(self) -> str:
        return f"{self.within:.3f} ({self.frame_ms:.2f} ms at {self.fps:.1f} fps)"


def plain_ms(film: str, seconds: float) -> float:
    """CPU milliseconds a frame of the stream alone, at the film's rate."""
    frames, began, before = 0, 0.0, 0.0
    with Estimator() as estimator:
        while True:
            for _ in estimator.stream(played(open_source(film)), detect_every=10):
                frames += 1
                if frames == WARM_UP_FRAMES:
                    began, before = time.monotonic(), time.process_time()
                if began and time.monotonic() - began >= seconds:
                    return 1000 * (time.process_time() - before) / (frames - WARM_UP_FRAMES)


def cost_of(film: str, viewers: int, seconds: float) -> Cost:
    """One run of the service."""
    with running(film) as service:
        watchers = None
        if viewers:
            command = [sys.executable, "-m", "benchmarks.serve.cost", "--watch"]
            arguments = [service.socket_url, str(viewers), "--seconds", str(seconds + 6)]
            watchers = subprocess.Popen([*command, *arguments])
        time.sleep(3)
        frames, before, began = service.frames(), service.cpu_s(), time.monotonic()
        time.sleep(seconds)
        after, passed = service.cpu_s(), time.monotonic() - began
        count = service.frames() - frames
        beyond = beyond_inference_ms(service) if viewers else 0.0
        if watchers is not None and watchers.wait(60):
            raise RuntimeError("a viewer failed")
        spent = {name: after[name] - before.get(name, 0.0) for name in after}
        # The event loop, the encoder, and the threads that read the board's figures.
        served = sum(s for name, s in spent.items() if name.startswith(SERVING))
        return Cost(
            within=spent["process"] / (spent["process"] - served),
            frame_ms=1000 * spent["process"] / count,
            beyond_ms=beyond,
            fps=count / passed,
        )


def beyond_inference_ms(service: Running) -> float:
    """p95 from frame to viewer less p95 of inference, from the histograms' buckets."""
    text = httpx.get(f"{service.url}metrics").text
    to_viewer, to_poses = (
        quantile_ms(text, f"litepose_{n}latency_seconds") for n in ("viewer_", "")
    )
    return to_viewer - to_poses


def quantile_ms(metrics: str, name: str, part: float = 0.95) -> float:
    """A quantile of a histogram in Prometheus' text, the bucket's upper end at worst."""
    rows = [line for line in metrics.splitlines() if line.startswith(f"{name}_bucket")]
    bounds = [float(row.split('"')[1].replace("+Inf", "inf")) for row in rows]
    counts = [int(row.rsplit(" ", 1)[1]) for row in rows]
    wanted, below, lower = part * counts[-1], 0, 0.0
    for bound, count in zip(bounds, counts, strict=True):
        if count >= wanted:
            inside = (wanted - below) / max(count - below, 1)
            return 1000 * (lower + inside * (min(bound, 10.0) - lower))
        below, lower = count, bound
    return 0.0


def watch(url: str, count: int, seconds: float) -> None:
    """So many viewers in one process."""
    seen = [Seen() for _ in range(count)]

    async def all_of_them() -> None:
        await asyncio.gather(*(view(url, seconds, one) for one in seen))

    asyncio.run(all_of_them())


if __name__ == "__main__":
    sys.exit(main())
