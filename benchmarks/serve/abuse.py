"""What a stranger may do to the service while a viewer watches: malformed, slow, large, many.

python -m benchmarks.serve.abuse [--requests 10000] [--connections 500]

The service runs in a process of its own, once open and once with a token; a viewer watches
throughout. Exit code 1 where it ends, an answer is an untyped 500, the viewer's stream stands
still for two seconds, or a new viewer finds no place within half a minute of the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import websockets

from benchmarks.serve.film import write_film
from benchmarks.serve.running import Running, running

AT_ONCE = 24
STANDSTILL_S = 2.0
TOKEN = "0123456789abcdef0123"
PATHS = (
    "/", "/page/app.js", "/healthz", "/metrics", "/v1/status", "/v1/control", "/v1/pose",
    "/v1/snapshot", "/v1/record", "/v1/login", "/v1/live", "/v1/stream", "/../etc/passwd", "//",
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "G\0T", "\u00e9")


@dataclass(slots=True)
class Outcome:
    """What came of one attack.

    Attributes:
        answers: By first words of the status line; `nothing` where the connection ended.
        untyped: Answers of 500 that say nothing in JSON.
    """

    answers: Counter[str] = field(default_factory=Counter)
    untyped: int = 0

    def count(self, answer: bytes) -> None:
        """Count an answer."""
        status = answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.1 ") else "nothing"
        self.answers[status] += 1
        self.untyped += status == "500" and b'{"error":' not in answer


async def asked(service: Running, content: bytes, patience_s: float = 3.0) -> bytes:
    """The first bytes of the answer to these bytes."""
    host, port = urlsplit(service.url).hostname, urlsplit(service.url).port
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 10)
    except (OSError, asyncio.TimeoutError):
        return b""
    try:
        writer.write(content)
        return await asyncio.wait_for(reader.read(4096), patience_s)
    except (OSError, asyncio.TimeoutError):
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def malformed(rng: random.Random) -> bytes:
    """A request that is wrong in one way or another."""
    path, method = rng.choice(PATHS), rng.choice(METHODS)
    noise = rng.randbytes(rng.randint(0, 400))
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode("latin-1", "replace")
    length = rng.choice((len(noise), len(noise) + 9, 0, -1, 10**12, "x", "1e3", "0x10"))
    kinds = (
        "application/json",
        "image/jpeg",
        "image/png",
        "text/plain",
        "application/octet-stream",
    )
    match rng.randint(0, 9):
        case 0:
            return noise
        case 1:
            return head + noise + b"\r\n\r\n"
        case 2:
            return head + b"X: " + b"a" * rng.randint(0, 70_000) + b"\r\n\r\n"
        case 3:
            return head.replace(b"127.0.0.1", noise[:20]) + b"\r\n"
        case 4:
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + noise
        case 5:
            upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            return head + upgrade + b"Sec-WebSocket-Key: " + noise[:16].hex().encode() + b"\r\n\r\n"
        case 6:
            return head + b"Cookie: litepose_token=" + noise.replace(b"\n", b"") + b"\r\n\r\n"
        case 7:
            return (
                head.replace(b" HTTP", b"?" + noise.hex().encode() + b"&boxes=1,2;;3 HTTP")
                + b"\r\n"
            )
    kind = rng.choice(kinds)
    start = rng.choice(
        (b"", b"{", b'{"min_score":1e999}', b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n")
    )
    told = f"Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()
    return head.replace(method.encode("latin-1", "replace"), b"POST", 1) + told + start + noise


async def many_malformed(service: Running, count: int) -> Outcome:
    """So many malformed requests, some at once."""
    outcome, rng = Outcome(), random.Random(0)
    requests = iter([malformed(rng) for _ in range(count)])

    async def work() -> None:
        for request in requests:
            outcome.count(await asked(service, request, patience_s=0.5))

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return outcome


async def slowloris(service: Running, count: int) -> Outcome:
    """Heads that come in drops on so many connections, for 25 seconds."""
    outcome = Outcome()
    host, port = urlsplit(service.url).hostname, urlsplit(service.url).port

    async def drip() -> None:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 10)
            writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            answer = asyncio.create_task(reader.read(4096))
            for _ in range(50):
                if answer.done():
                    break
                writer.write(b"X-A: b\r\n")
                await asyncio.sleep(0.5)
            outcome.count(await asyncio.wait_for(answer, 5))
            writer.close()

    await asyncio.gather(*(drip() for _ in range(count)))
    return outcome


async def oversized(service: Running, count: int) -> Outcome:
    """Bodies of 64 MB, told or not, with and without end."""
    outcome = Outcome()
    host, port = urlsplit(service.url).hostname, urlsplit(service.url).port
    head = (
        b"POST /v1/pose HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
        b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"
    )

    async def send(told: bool) -> None:
        answer = b""
        found: asyncio.Task[bytes] = asyncio.create_task(asyncio.sleep(0, b""))
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 10)
            more = (
                b"Content-Length: 64000000\r\n\r\n"
                if told
                else b"Transfer-Encoding: chunked\r\n\r\n"
            )
            writer.write(head + more)
            found = asyncio.create_task(reader.read(4096))
            part = b"\xff\xd8\xff" + bytes(65533)
            for _ in range(1000):
                if found.done():
                    break
                writer.write(part if told else b"10000\r\n" + part + b"\r\n")
                await asyncio.wait_for(writer.drain(), 10)
            answer = await asyncio.wait_for(found, 10)
            writer.close()
        if not found.done():
            found.cancel()
        elif not found.cancelled() and found.exception() is None:
            answer = found.result()
        outcome.count(answer)

    for _ in range(count):
        await asyncio.gather(send(True), send(False))
    return outcome


async def crowd(service: Running, count: int) -> Outcome:
    """So many connections at once, held for five seconds."""
    outcome = Outcome()
    request = b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    async def hold(number: int) -> None:
        answer = await asked(service, request if number % 2 else b"GET / HT", patience_s=5)
        outcome.count(answer)

    await asyncio.gather(*(hold(number) for number in range(count)))
    return outcome


async def watch(service: Running, headers: dict[str, str], gaps: list[float]) -> None:
    """A viewer who notes each standstill until it is cancelled."""
    async with websockets.connect(
        f"{service.socket_url}?video=0", additional_headers=headers
    ) as socket:
        last = time.monotonic()
        while True:
            message = await socket.recv()
            if isinstance(message, str) and message.startswith('{"type":"poses"'):
                gaps.append(time.monotonic() - last)
                last = time.monotonic()


async def attack(service: Running, token: bool, given: argparse.Namespace) -> bool:
    """All attacks on one service; whether it withstood them."""
    headers = {"Authorization": f"Bearer {TOKEN}"} if token else {}
    attacks: dict[str, Callable[[], Awaitable[Outcome]]] = {
        "malformed requests": lambda: many_malformed(service, given.requests),
        "heads in drops": lambda: slowloris(service, 60),
        "bodies too long": lambda: oversized(service, 10),
        "connections at once": lambda: crowd(service, given.connections),
    }
    good = True
    for name, run in attacks.items():
        gaps: list[float] = []
        viewer = asyncio.create_task(watch(service, headers, gaps))
        await asyncio.sleep(1)
        began, memory = time.monotonic(), service.memory_mb
        outcome = await run()
        passed = time.monotonic() - began
        alive = service.process.poll() is None and not viewer.done()
        viewer.cancel()
        await asyncio.gather(viewer, return_exceptions=True)
        frames, longest = len(gaps), max(gaps, default=999.0)
        fine = alive and not outcome.untyped and longest < STANDSTILL_S
        good &= fine
        told = ", ".join(f"{status}: {n}" for status, n in outcome.answers.most_common())
        print(
            f"{'ok ' if fine else 'BAD'} {name} ({'token' if token else 'open'}, {passed:.0f} s): "
            f"{told}; viewer got {frames} frames, longest gap {1000 * longest:.0f} ms; "
            f"memory {memory:.0f} -> {service.memory_mb:.0f} MB",
            flush=True,
        )
        await place_again(service, headers)
    return good


async def place_again(service: Running, headers: dict[str, str]) -> None:
    """Wait until a new viewer finds a place."""
    until = time.monotonic() + 30
    async with httpx.AsyncClient() as client:
        while time.monotonic() < until:
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.get(f"{service.url}v1/status", headers=headers)
                if answer.status_code == 200:
                    return
            await asyncio.sleep(0.5)
    raise TimeoutError("the service does not answer half a minute after the attack")


def main() -> int:
    """Attack both kinds of service."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=500)
    given = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        film = str(write_film(Path(folder) / "film.mp4"))
        for token in (False, True):
            options = ("--token", TOKEN) if token else ()
            with running(film, "--model", "lrpose-n", *options) as service:
                good &= asyncio.run(attack(service, token, given))
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
