"""Listens, answers, and ends in an orderly way when the system asks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
TICK_S, FEED_S, LAST_WORDS_S = 0.5, 2.0, 1.5
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
        family, kind, _, _, address = found[0]
        # By its name: of sockets of protocol 0 asyncio does not know that they are TCP, and leaves
        # Nagle's algorithm on, by which each picture waits 40 ms for an acknowledgement.
        listening = socket.socket(family, kind, socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as exc:  # a name that can be none
        reason = getattr(exc, "strerror", None) or exc
        raise OutputError(f"cannot listen on {host}: {reason}") from exc
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


class Server:
    """Answers, from `run` until a signal comes, the source has ended, or `stop` is called.

    Args:
        service: Started and stopped by `run`.
        options: Who is answered.
        listening: Closed at the end.
        started: Called when requests are answered; what it raises ends the server.
    """

    def __init__(
        self,
        service: Service,
        options: WebOptions,
        listening: socket.socket,
        started: Callable[[], None] = lambda: None,
    ) -> None:
        self._service, self._listening, self._started = service, listening, started
        self.app = Application(service, options)
        self._server = _Uvicorn(config_of(self.app, options), self.app)

    def run(self) -> None:
        """Serve until the end; a recording is finished before it returns."""
        try:
            with _asked_to_end(self._server):
                asyncio.run(self._serve())
        finally:
            self._listening.close()
            self._service.stop()

    def stop(self) -> None:
        """End; may be called from any thread."""
        self._server.should_exit = True

    async def _serve(self) -> None:
        # Snapshots and the board's figures: each thread more would keep some megabytes for good.
        aside = ThreadPoolExecutor(1, thread_name_prefix="litepose-aside")
        asyncio.get_running_loop().set_default_executor(aside)
        self.app.start()
        watch = asyncio.create_task(self._watch())
        watch.add_done_callback(lambda _: self.stop())
        try:
            await self._server.serve(sockets=[self._listening])
        finally:
            notify("STOPPING=1")
            watch.cancel()
            (failed,) = await asyncio.gather(watch, return_exceptions=True)
        if isinstance(failed, Exception):
            raise failed

    async def _watch(self) -> None:
        """Begin the stream when requests are answered, feed the watchdog, end what has ended."""
        while not self._server.started:
            await asyncio.sleep(TICK_S / 20)
        notify("READY=1")
        self._service.start()
        self._started()
        since_s = FEED_S
        while self._service.state.now[0] is not Condition.ENDED:
            if since_s >= FEED_S and not self._service.hangs:
                since_s = 0.0
                notify("WATCHDOG=1")
            await asyncio.sleep(TICK_S)
            since_s += TICK_S
        # Viewers have a moment to hear of it.
        await asyncio.sleep(LAST_WORDS_S)


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


class _Uvicorn(uvicorn.Server):
    """Uvicorn's, which leaves signals to its caller and ends the viewers first."""

    def __init__(self, config: uvicorn.Config, app: Application) -> None:
        super().__init__(config)
        self._app = app

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Uvicorn's own wakes ten times a second for the clock of the `Date` header."""
        while not await self.on_tick(0):
            await asyncio.sleep(TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._app.close()
        await super().shutdown(sockets)


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
