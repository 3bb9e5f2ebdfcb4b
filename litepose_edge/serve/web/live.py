"""The live stream: WebSockets with or without pictures, and server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from litepose_edge.serve.options import Limits
from litepose_edge.serve.stream.hub import Viewer
from litepose_edge.serve.stream.service import Service
from litepose_edge.serve.web.problems import Problem, flag

# A comment that keeps proxies from taking a quiet stream for a dead one.
BEAT_S = 15.0
POLICY_VIOLATION, GOING_AWAY = 1008, 1001
MOST_MESSAGES_PER_S = 200


class _Seen(msgspec.Struct, tag_field="type", tag="seen"):
    index: int


_decoder = msgspec.json.Decoder(_Seen)


class Live:
    """Endpoints of the live stream.

    Args:
        service: The stream.
        limits: How many viewers there may be.
    """

    def __init__(self, service: Service, limits: Limits) -> None:
        self._service, self._limits = service, limits

    async def view(self, websocket: WebSocket) -> None:
        """`WS /v1/live`: hello, status, poses and pictures."""
        video = flag(websocket.query_params, "video", usual=True)
        await self._serve(websocket, video=video, complete=True)

    async def poses(self, websocket: WebSocket) -> None:
        """`WS /v1/stream`: poses alone."""
        await self._serve(websocket, video=False, complete=False)

    async def events(self, request: Request) -> Response:
        """`GET /v1/stream`: poses as server-sent events."""
        headers = {"x-accel-buffering": "no"}
        media_type = "text/event-stream"
        if request.method == "HEAD":
            return Response(headers=headers, media_type=media_type)
        self._check_room()
        return _Events(self._lines(), headers=headers, media_type=media_type)

    def _check_room(self) -> None:
        if self._service.hub.viewers >= self._limits.viewers:
            raise Problem(
                503,
                f"{self._limits.viewers} viewers watch already: try again later",
                {"retry-after": "5"},
            )

    async def _lines(self) -> AsyncIterator[str]:
        hub = self._service.hub
        viewer = hub.join(video=False)
        try:
            while (parts := await viewer.next(BEAT_S)) is not None:
                poses = [part for part in parts if isinstance(part, str)]
                yield "".join(f"data: {part}\n\n" for part in poses) or ": no frame\n\n"
        finally:
            hub.leave(viewer)

    async def _serve(self, websocket: WebSocket, *, video: bool, complete: bool) -> None:
        self._check_room()
        hub = self._service.hub
        viewer = hub.join(video=video, status=complete)
        try:
            await websocket.accept()
            await self._both_ways(websocket, viewer, complete=complete)
        finally:
            hub.leave(viewer)

    async def _both_ways(self, websocket: WebSocket, viewer: Viewer, *, complete: bool) -> None:
        tasks = [
            asyncio.create_task(self._send(websocket, viewer, complete=complete)),
            asyncio.create_task(_listen(websocket, viewer)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            codes = [code for task in done if (code := task.result()) is not None]
        except (WebSocketDisconnect, OSError):
            return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if codes:
            with contextlib.suppress(WebSocketDisconnect, OSError, RuntimeError):
                await websocket.close(*codes[0])

    async def _send(
        self, websocket: WebSocket, viewer: Viewer, *, complete: bool
    ) -> tuple[int, str] | None:
        model = None
        while True:
            if complete and model is not self._service.models.current:
                # First of all, and again when another model may find other keypoints.
                model = self._service.models.current
                hello = msgspec.json.encode(self._service.hello()).decode()
                await websocket.send_text(hello)
                await websocket.send_text(self._service.status_text())
            parts = await viewer.next()
            if parts is None:
                return GOING_AWAY, "the service ends"
            for part in parts:
                if isinstance(part, str):
                    await websocket.send_text(part)
                else:
                    await websocket.send_bytes(part)


async def _listen(websocket: WebSocket, viewer: Viewer) -> tuple[int, str] | None:
    """Take what the viewer says, until it leaves or says what is no message."""
    loop = asyncio.get_running_loop()
    second, count = loop.time(), 0
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        if loop.time() - second >= 1:
            second, count = loop.time(), 0
        count += 1
        if count > MOST_MESSAGES_PER_S:
            return POLICY_VIOLATION, "too many messages"
        try:
            viewer.seen(_decoder.decode(message.get("text") or b"").index)
        except (msgspec.DecodeError, UnicodeError):
            return POLICY_VIOLATION, 'expected {"type":"seen","index":N}'


class _Events(StreamingResponse):
    """An endless answer, which a client ends by leaving."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(OSError):
            await super().__call__(scope, receive, send)
