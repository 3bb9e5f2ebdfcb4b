"""Puts the endpoints together: which path and method is answered by what."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from litepose_edge.serve.options import WebOptions
from litepose_edge.serve.stream.service import Service
from litepose_edge.serve.web.api import Api
from litepose_edge.serve.web.guard import OPEN_FOLDER, Guard
from litepose_edge.serve.web.live import Live
from litepose_edge.serve.web.metrics import metrics_text
from litepose_edge.serve.web.openapi import openapi_document
from litepose_edge.serve.web.pictures import Pictures
from litepose_edge.serve.web.problems import Problem, json_response

STATUS_EVERY_S = 1.0
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Endpoint = Callable[[Request], Awaitable[Response]]
Methods = Mapping[str, Endpoint]


class Application:
    """The service as an ASGI application.

    Args:
        service: The stream.
        options: Who is answered.
    """

    def __init__(self, service: Service, options: WebOptions) -> None:
        self._service, self._options = service, options
        self.pictures = Pictures(service.models, options.limits)
        api, live = Api(service, options), Live(service, options.limits)
        self.guard = api.guard = Guard(self._route, options)
        self._page: Methods = {"GET": api.page}
        self._paths: Mapping[str, Methods] = {
            "/": self._page,
            "/healthz": {"GET": api.healthy},
            "/readyz": {"GET": api.ready},
            "/metrics": {"GET": self._metrics},
            "/openapi.json": {"GET": self._openapi},
            "/v1/control": {"POST": api.control},
            "/v1/login": {"POST": api.login},
            "/v1/logout": {"POST": api.logout},
            "/v1/pose": {"POST": self.pictures.answer},
            "/v1/record": {"POST": api.record},
            "/v1/snapshot": {"POST": api.snapshot},
            "/v1/status": {"GET": api.status},
            "/v1/stream": {"GET": live.events},
        }
        self._sockets = {"/v1/live": live.view, "/v1/stream": live.poses}
        self._status: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or WebSocket."""
        await self.guard(scope, receive, send)

    def start(self) -> None:
        """Begin to hand frames and figures to viewers; called in the event loop."""
        self._service.hub.start(asyncio.get_running_loop())
        self._status = asyncio.create_task(self._tell_status())

    async def close(self) -> None:
        """End the viewers."""
        self._service.hub.close()
        self.pictures.close()
        if self._status is not None:
            self._status.cancel()
            await asyncio.gather(self._status, return_exceptions=True)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if scope["type"] == "websocket":
            socket = self._sockets.get(path)
            if socket is None:
                raise Problem(404, "there is no such WebSocket: see /openapi.json")
            await socket(WebSocket(scope, receive, send))
            return
        request = Request(scope, receive)
        with contextlib.suppress(ClientDisconnect):
            response = await self._endpoint(scope)(request)
            await response(scope, receive, send)

    def _endpoint(self, scope: Scope) -> Endpoint:
        path, method = scope["path"], scope["method"]
        methods = self._paths.get(path)
        if path.startswith(OPEN_FOLDER):
            methods = self._page
            scope["path_params"] = {"name": path.removeprefix(OPEN_FOLDER)}
        if methods is None:
            raise Problem(404, "there is nothing here: see /openapi.json")
        allowed = sorted({*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])})
        if method == "OPTIONS":
            return _allowed(allowed)
        endpoint = methods.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            raise Problem(
                405, f"expected {' or '.join(allowed)} here", {"allow": ", ".join(allowed)}
            )
        return endpoint

    async def _metrics(self, request: Request) -> Response:
        text = metrics_text(self._service, self.guard.counts, self.pictures.treated)
        return Response(text, media_type=METRICS_TYPE)

    async def _openapi(self, request: Request) -> Response:
        models, recorder = self._service.options.models, self._service.recorder
        return json_response(
            openapi_document(self._options, models, recording=recorder is not None)
        )

    async def _tell_status(self) -> None:
        while True:
            await asyncio.to_thread(self._service.read_machine)
            if self._service.hub.viewers:
                self._service.hub.tell_status(self._service.status_text())
            await asyncio.sleep(STATUS_EVERY_S)


def _allowed(methods: list[str]) -> Endpoint:
    async def answer(request: Request) -> Response:
        return Response(status_code=204, headers={"allow": ", ".join(methods)})

    return answer
