"""The endpoints other than the live stream: page, status, controls, snapshot, health."""

from __future__ import annotations

import asyncio
import math
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from litepose_edge.errors import OutputError
from litepose_edge.serve.options import WebOptions
from litepose_edge.serve.stream.controls import ControlError
from litepose_edge.serve.stream.results import jpeg
from litepose_edge.serve.stream.service import Service
from litepose_edge.serve.web.auth import COOKIE, COOKIE_S
from litepose_edge.serve.web.guard import Guard
from litepose_edge.serve.web.limits import Rates, read_body
from litepose_edge.serve.web.page_files import INDEX, page_files
from litepose_edge.serve.web.problems import Problem, flag, json_response

SMALL_BODY_BYTES, SMALL_BODY_S = 4096, 5.0
SNAPSHOT_QUALITY = 92
SNAPSHOTS_PER_S, SNAPSHOT_BURST = 2.0, 5.0


class _Login(msgspec.Struct):
    token: str


class _Record(msgspec.Struct):
    on: bool


class Api:
    """Endpoints.

    Args:
        service: The stream.
        options: Who is answered.
        guard: Checks tokens; set when it is made around the application.
    """

    def __init__(self, service: Service, options: WebOptions) -> None:
        self._service, self._options = service, options
        self._files = page_files()
        self._snapshots = Rates(SNAPSHOTS_PER_S, SNAPSHOT_BURST)
        self.guard: Guard | None = None

    async def page(self, request: Request) -> Response:
        """`GET /` and `GET /page/NAME`: a file of the page."""
        file = self._files.get(request.path_params.get("name", INDEX))
        if file is None:
            raise Problem(404, "the page has no such file")
        headers = {"etag": file.etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)

    async def status(self, request: Request) -> Response:
        """`GET /v1/status`."""
        return json_response(self._service.status())

    async def control(self, request: Request) -> Response:
        """`POST /v1/control`: change controls."""
        wishes = await _json(request)
        try:
            self._service.change(wishes)
        except ControlError as exc:
            raise Problem(422, str(exc)) from exc
        return json_response(self._service.status())

    async def snapshot(self, request: Request) -> Response:
        """`POST /v1/snapshot`: the newest frame as JPEG."""
        drawn = flag(request.query_params, "drawn", usual=False)
        palette = _palette(request.query_params.get("palette"))
        address = request.client.host if request.client else "unknown"
        wait_s = self._snapshots.wait_s(address)
        if wait_s:
            seconds = str(math.ceil(wait_s))
            raise Problem(429, f"too many snapshots: wait {seconds} s", {"retry-after": seconds})
        newest = self._service.hub.newest
        if newest is None:
            raise Problem(409, "there is no frame yet: ask again when the stream runs")

        def encode() -> bytes:
            if not drawn:
                return jpeg(newest.image, SNAPSHOT_QUALITY)
            return jpeg(newest.poses.draw(newest.image, palette=palette), SNAPSHOT_QUALITY)

        content = await asyncio.to_thread(encode)
        name = f"snapshot-{newest.index}.jpg"
        return Response(
            content,
            headers={"content-disposition": f'attachment; filename="{name}"'},
            media_type="image/jpeg",
        )

    async def record(self, request: Request) -> Response:
        """`POST /v1/record`: begin or end a recording."""
        wanted = await _typed(request, _Record)
        if self._service.recorder is None:
            raise Problem(403, "recording is off: start the service with --allow-record")
        try:
            await asyncio.to_thread(self._service.record, wanted.on)
        except OutputError as exc:
            raise Problem(409, str(exc)) from exc
        return json_response(self._service.status())

    async def login(self, request: Request) -> Response:
        """`POST /v1/login`: a token for a cookie."""
        assert self.guard is not None
        given = await _typed(request, _Login)
        response = Response(status_code=204)
        if not self.guard.token.asked:
            return response
        self.guard.login(request.client.host if request.client else "unknown", given.token)
        response.set_cookie(
            COOKIE,
            self.guard.token.cookie,
            max_age=COOKIE_S,
            path="/",
            httponly=True,
            samesite="strict",
            # A proxy with TLS hands requests on as HTTP; the browser says how it sees the page.
            secure=request.headers.get("origin", "").startswith("https://"),
        )
        return response

    async def logout(self, request: Request) -> Response:
        """`POST /v1/logout`: forget the cookie."""
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return response

    async def healthy(self, request: Request) -> Response:
        """`GET /healthz`: whether the service works, with or without its source."""
        if self._service.hangs:
            raise Problem(503, "the stream's thread hangs: start the service anew")
        return json_response({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """`GET /readyz`: whether frames come."""
        if not self._service.ready:
            raise Problem(503, "no frames come from the source")
        return json_response({"status": "ready"})


def _palette(text: str | None) -> Literal["side", "person"] | None:
    """How bones are coloured; None leaves it to the drawing."""
    match text:
        case None | "side" | "person":
            return text
    raise Problem(422, f"palette is side or person, got {text[:40]!r}")


async def _json(request: Request) -> Any:
    return await _decoded(request, msgspec.json.decode)


async def _typed(request: Request, kind: Any) -> Any:
    return await _decoded(request, lambda content: msgspec.json.decode(content, type=kind))


async def _decoded(request: Request, decode: Any) -> Any:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "expected a body of type application/json")
    content = await read_body(request, SMALL_BODY_BYTES, SMALL_BODY_S)
    try:
        return decode(content)
    except msgspec.ValidationError as exc:
        raise Problem(422, f"the JSON is of another form: {exc}") from exc
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise Problem(422, "expected JSON, and the body is none") from exc
