"""Connections that cannot be held: how many, how slow, how long without taking an answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from litepose_edge.serve.options import Limits
from litepose_edge.serve.web.guard import HEADERS
from litepose_edge.serve.web.limits import client_key

# So much of a slow viewer's stream may wait in the kernel: some pictures.
UNSENT_BYTES = 128 * 1024
# Viewers say little; whoever says more, as by pings without end, is no viewer.
MOST_SAID_BYTES_PER_S = 64 * 1024


class Connections:
    """What is open, in all and by address.

    Args:
        limits: How many there may be.

    Attributes:
        open: How many are open.
        refused: How many found no room.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._each: Counter[str] = Counter()
        self.open = self.refused = 0

    def enter(self, address: str) -> str | None:
        """Count one more; its key, or None where there is no room."""
        key = client_key(address)
        if self.open >= self.limits.connections or self._each[key] >= self.limits.connections_each:
            self.refused += 1
            return None
        self._each[key] += 1
        self.open += 1
        return key

    def leave(self, key: str) -> None:
        """Count one less."""
        self._each[key] -= 1
        self.open -= 1
        if self._each[key] <= 0:
            del self._each[key]


class _StallWatch:
    """Drops a connection whose client takes nothing for long."""

    def __init__(self, transport: asyncio.Transport, after_s: float) -> None:
        self._transport, self._after_s = transport, after_s
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self.end()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._after_s, self._transport.abort)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class GuardedHttp(H11Protocol):
    """One connection of uvicorn's, within self.counted.limits."""

    counted: Connections
    _key: str | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _watch: _StallWatch

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, if there is room."""
        self._watch = _StallWatch(transport, self.counted.limits.stalled_s)
        peer = transport.get_extra_info("peername")
        self._key = self.counted.enter(str(peer[0]) if peer else "unknown")
        if self._key is None:
            self.transport = transport
            transport.write(_FULL)
            self._close_soon()
            return
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room."""
        self._forget()
        if self._key is not None:
            self.counted.leave(self._key)
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a head that comes too slowly ends the connection."""
        if self._key is None:  # refused: nothing that comes is read
            return
        waiting = self._waits_for_head()
        super().data_received(data)
        if self.transport.get_protocol() is not self:
            self._forget()  # it has become a WebSocket
        elif not self._waits_for_head():
            self._stop_head_timer()
        elif not waiting or self._head_timer is None:
            self._expect_head()

    def pause_writing(self) -> None:
        """The client takes nothing at the moment."""
        self._watch.begin()
        if self._key is not None:
            super().pause_writing()

    def resume_writing(self) -> None:
        """It takes again."""
        if self._key is not None:
            self._watch.end()
            super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection on which nothing is asked any more."""
        super().timeout_keep_alive_handler()
        self._close_soon()

    def on_response_complete(self) -> None:
        """Wait for the next request, or close."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._close_soon()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request."""
        cycle = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.abort()  # in the middle of an answer there is no other
            return
        self.transport.write(_MALFORMED)
        self._close_soon()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Become a WebSocket, which counts as this connection."""
        super().handle_websocket_upgrade(event)
        protocol = self.transport.get_protocol()
        assert isinstance(protocol, GuardedWebSocket)
        protocol.take_over(self._key)
        self._key = None

    def _waits_for_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect_head(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(self.counted.limits.head_s, self._too_slow)

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
        self._close_soon()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_soon(self) -> None:
        """Close; a client that does not take the rest is dropped all the same."""
        self._stop_head_timer()
        self.transport.close()
        self._watch.begin()

    def _forget(self) -> None:
        self._stop_head_timer()
        self._watch.end()


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """One WebSocket of uvicorn's, which was an HTTP connection before."""

    counted: Connections
    _key: str | None = None
    _watch: _StallWatch
    _second = _said = 0.0

    def connection_made(self, transport: Any) -> None:
        """Begin, if there is room."""
        self._watch = _StallWatch(transport, self.counted.limits.stalled_s)
        bound_unsent(transport.get_extra_info("socket"))
        super().connection_made(transport)

    def take_over(self, key: str | None) -> None:
        """Count as the connection that this was."""
        self._key = key

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room."""
        self._watch.end()
        if self._key is not None:
            self.counted.leave(self._key)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, if it is not too much."""
        now = self.loop.time()
        if now - self._second >= 1:
            self._second, self._said = now, 0
        self._said += len(data)
        if self._said > MOST_SAID_BYTES_PER_S:
            self.transport.abort()
            return
        super().data_received(data)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """End with the endpoint."""
        super().on_task_complete(task)
        self._watch.begin()  # what is left has so long to be taken

    def pause_writing(self) -> None:
        """The client takes nothing at the moment."""
        self._watch.begin()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It takes again."""
        self._watch.end()
        super().resume_writing()


def protocols(
    connections: Connections,
) -> tuple[type[GuardedHttp], type[GuardedWebSocket]]:
    """The two protocols, which share these connections."""
    shared = {"counted": connections}
    return type("Http", (GuardedHttp,), shared), type("WebSocket", (GuardedWebSocket,), shared)


def bound_unsent(connection: socket.socket | None) -> None:
    """Let little of a stream wait in the kernel, so that a slow viewer sees the present."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if connection is not None and option is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)


def _answer(status: str, sentence: str) -> bytes:
    body = json.dumps({"error": sentence}).encode()
    headers = {
        **HEADERS,
        "cache-control": "no-store",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
    }
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


_FULL = _answer("503 Service Unavailable", "too many connections are open: close some")
_MALFORMED = _answer("400 Bad Request", "this is no HTTP request")
_TOO_SLOW = _answer("408 Request Timeout", "no whole request came in time")
