"""Listens, answers, and ends in an orderly way when the system asks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from litepose_edge.errors import OutputError
from litepose_edge.serve.options import WebOptions
from litepose_edge.serve.stream.service import Service
from litepose_edge.serve.stream.state import Condition
from litepose_edge.serve.systemd import notify
from litepose_edge.serve.web.app import Application
from litepose_edge.serve.web.connections import Connections, protocols

BACKLOG = 128
KEEP_ALIVE_S, GRACE_S, PING_S = 15, 2, 20.0
MOST_HEAD_BYTES, MOST_SOCKET_MESSAGE_BYTES = 16_384, 1024
LOOK_EVERY_S, FEED_S = 0.2, 2.0
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: Address or name of this machine.
        port: 0 takes a free one.

    Raises:
        OutputError: The address is not this machine's, or the port is taken.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as exc:
        raise OutputError(f"cannot listen on {host}: {exc.strerror or exc}") from exc
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.setblocking(False)
    except (OSError, OverflowError) as exc:
        listening.close()
        reason = getattr(exc, "strerror", None) or exc
        raise OutputError(
            f"cannot listen on {host} port {port}: {reason}; give another --host or --port"
        ) from exc
    return listening


def url_of(listening: socket.socket) -> str:
    """Where a browser of this machine finds the page."""
    host, port = listening.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    return f"http://{f'[{name}]' if ':' in name and '[' not in name else name}:{port}/"


def run(
    service: Service,
    options: WebOptions,
    listening: socket.socket,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serve until a signal comes, or the source has ended where it is played once.

    Args:
        service: Started here and stopped at the end.
        options: Who is answered.
        listening: Closed at the end.
        started: Called when requests are answered.
    """
    app = Application(service, options)
    server = _Server(config_of(app, options), app)
    try:
        with _asked_to_end(server):
            asyncio.run(_serve(server, app, service, listening, started))
    finally:
        listening.close()
        service.stop()


def config_of(app: Application, options: WebOptions) -> uvicorn.Config:
    """How uvicorn runs the application: within its limits, and without logs of requests."""
    http, websocket = protocols(Connections(options.limits))
    # It would write a line for each malformed request, as many as a stranger sends.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=http,
        ws=websocket,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=MOST_HEAD_BYTES,
        ws_max_size=MOST_SOCKET_MESSAGE_BYTES,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,
    )


class _Server(uvicorn.Server):
    """Uvicorn's, which leaves signals to its caller and ends the viewers first."""

    def __init__(self, config: uvicorn.Config, app: Application) -> None:
        super().__init__(config)
        self._app = app

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._app.close()
        await super().shutdown(sockets)


async def _serve(
    server: _Server,
    app: Application,
    service: Service,
    listening: socket.socket,
    started: Callable[[], None],
) -> None:
    app.start()
    watch = asyncio.create_task(_watch(server, service, started))
    try:
        await server.serve(sockets=[listening])
    finally:
        notify("STOPPING=1")
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _watch(server: _Server, service: Service, started: Callable[[], None]) -> None:
    """Begin the stream when requests are answered, feed systemd's watchdog, end what has ended."""
    while not server.started:
        await asyncio.sleep(LOOK_EVERY_S / 10)
    started()
    notify("READY=1")
    service.start()
    since_s = FEED_S
    while True:
        if service.state.now[0] is Condition.ENDED:
            # Viewers have a moment to hear of it.
            await asyncio.sleep(1.0)
            server.should_exit = True
            return
        if since_s >= FEED_S and not service.hangs:
            since_s = 0.0
            notify("WATCHDOG=1")
        await asyncio.sleep(LOOK_EVERY_S)
        since_s += LOOK_EVERY_S


@contextlib.contextmanager
def _asked_to_end(server: uvicorn.Server) -> Iterator[None]:
    """Signals that ask to end do so in order, once; the second one ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        if server.should_exit:
            server.force_exit = True
        server.should_exit = True

    before = {
        number: signal.signal(number, end)
        for number in SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
