"""The service as a process of its own, and viewers of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import websockets

from benchmarks.paths import ROOT

READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """A service that runs.

    Attributes:
        url: Such as `http://127.0.0.1:8080/`.
        process: Its process.
    """

    url: str
    process: subprocess.Popen[str]

    @property
    def socket_url(self) -> str:
        """Of the live stream."""
        return self.url.replace("http://", "ws://") + "v1/live"

    def cpu_s(self) -> dict[str, float]:
        """Processor time until now, by thread; `process` is all."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found: dict[str, float] = json.loads(self.process.stdout.readline())
        return found

    @property
    def memory_mb(self) -> float:
        """Resident memory. Linux only."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def descriptors(self) -> int:
        """Open files and sockets. Linux only."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 - names alone

    def frames(self) -> int:
        """How many frames it has treated."""
        return int(httpx.get(f"{self.url}v1/status", timeout=10).json()["frames"])


@contextlib.contextmanager
def running(source: str, *options: str) -> Iterator[Running]:
    """`litepose-edge serve` of a source until the block ends, ready at its beginning."""
    command = [sys.executable, "-m", "benchmarks.serve.measured", source, "--port", "0", *options]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        until = time.monotonic() + READY_S
        while httpx.get(f"{url}readyz").status_code != 200:
            if time.monotonic() > until:
                raise TimeoutError(f"{source} gave no frame within {READY_S:g} s")
            time.sleep(0.1)
        yield Running(url, process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.terminate()
        process.wait(60)


@dataclass(slots=True)
class Seen:
    """What one viewer got.

    Attributes:
        pictures: How many.
        poses: How many frames' people.
    """

    pictures: int = 0
    poses: int = 0
    failures: list[str] = field(default_factory=list)


async def view(url: str, seconds: float, seen: Seen) -> None:
    """Watch as the page does, saying what was seen."""
    until = time.monotonic() + seconds
    async with websockets.connect(url, max_size=None) as socket:
        while time.monotonic() < until:
            message = await asyncio.wait_for(socket.recv(), 20)
            if isinstance(message, bytes):
                seen.pictures += 1
                index = int.from_bytes(message[:4], "little")
                await socket.send(json.dumps({"type": "seen", "index": index}))
            elif message.startswith('{"type":"poses"'):
                seen.poses += 1
