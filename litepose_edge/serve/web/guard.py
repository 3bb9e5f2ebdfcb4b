"""What every request passes: names, origins, rates, the token; and the headers of every answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from litepose_edge.serve.options import WebOptions
from litepose_edge.serve.web.auth import Names, Token, bearer, cookie_value, same_origin
from litepose_edge.serve.web.limits import Rates
from litepose_edge.serve.web.problems import Problem

# What is asked for before there is a token to show: the page, which holds no secret, and health.
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/v1/login", "/favicon.ico"})
OPEN_FOLDER = "/page/"
OWN_SITES = frozenset({"same-origin", "none"})
MOST_TARGET = 8192
# Too many requests are answered late: a flood on few connections is slow.
TARPIT_S = 1.0
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# Of a body that is refused so much is read, for so long, before the answer.
DRAIN_BYTES, DRAIN_S = 64_000_000, 1.0
ALLOWED_METHODS, ALLOWED_HEADERS = "GET, POST", "authorization, content-type"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RequestCounts:
    """What was answered.

    Attributes:
        by_status: Answers by HTTP status.
        refused_sockets: WebSockets that were refused.
    """

    by_status: dict[int, int]
    refused_sockets: int = 0


class Guard:
    """Lets through to an application what may pass.

    Args:
        app: The application.
        options: Who is answered.
    """

    def __init__(self, app: ASGIApp, options: WebOptions) -> None:
        self._app, self._options = app, options
        self.token = Token(options.token)
        self._names = Names(options.hosts)
        limits = options.limits
        self._rates = Rates(limits.requests_per_s, limits.requests_burst)
        self._failures = Rates(limits.failed_logins / 60, limits.failed_logins)
        self.counts = RequestCounts({})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            return
        answer = _Answer(self, scope, receive, send)
        try:
            try:
                self._check(scope, answer)
            except Problem as problem:
                await answer.refuse(problem)
                return
            if scope["type"] == "http" and _is_preflight(scope):
                await _preflight()(scope, answer.receive, answer.send)
                return
            await self._app(scope, answer.receive, answer.send)
        except Problem as problem:
            await answer.refuse(problem)
        except Exception:
            # Whatever it is, the client gets a typed answer and the service goes on.
            log.exception("%r %r failed", scope.get("method", "WebSocket"), scope["path"][:200])
            await answer.refuse(Problem(500, "the service failed on this; its log says why"))

    def login(self, address: str, given: str) -> None:
        """Check a token that someone gives.

        Raises:
            Problem: It is wrong, or too many were.
        """
        if self._failures.left(address) < 1:
            wait_s = self._failures.wait_s(address)
            raise Problem(
                429,
                f"too many wrong tokens: try again in {math.ceil(wait_s)} s",
                {"retry-after": str(math.ceil(wait_s))},
            )
        if not self.token.is_right(given):
            self._failures.wait_s(address)
            raise _unauthorized("the token is wrong")

    def _check(self, scope: Scope, answer: _Answer) -> None:
        headers = answer.headers
        wait_s = self._rates.wait_s(answer.address)
        if wait_s:
            seconds = str(math.ceil(wait_s))
            answer.late_s = TARPIT_S
            raise Problem(
                429, f"too many requests: wait {seconds} s before more", {"retry-after": seconds}
            )
        if len(scope["path"]) + len(scope["query_string"]) > MOST_TARGET:
            raise Problem(414, f"expected an address of at most {MOST_TARGET} characters")
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._names.known(hosts[0]):
            raise Problem(
                421,
                "this service is not called by that name: use its address, or start it with "
                "--allow-host NAME",
            )
        self._check_origin(scope, answer, hosts[0])
        if self._needs_token(scope):
            self._check_token(headers, answer.address)

    def _check_origin(self, scope: Scope, answer: _Answer, host: str) -> None:
        origin = answer.headers.get("origin")
        if origin is None or same_origin(origin, host):
            # A browser's own word, where it gives it: pictures and links have no origin, and a
            # page of another site could take all viewers' places with them.
            site = answer.headers.get("sec-fetch-site", "none")
            if site not in OWN_SITES and not is_open(scope["path"]):
                raise Problem(403, "pages of other sites may not use this service")
            return
        if origin in self._options.origins:
            answer.origin = origin
            return
        if scope["type"] == "websocket" or scope["method"] not in {"GET", "HEAD"}:
            raise Problem(
                403,
                "pages of other origins may not use this service: start it with "
                "--allow-origin ORIGIN for one of your own",
            )

    def _needs_token(self, scope: Scope) -> bool:
        if not self.token.asked or (scope["type"] == "http" and _is_preflight(scope)):
            return False
        return not (scope["type"] == "http" and is_open(scope["path"]))

    def _check_token(self, headers: Headers, address: str) -> None:
        cookie = cookie_value(headers.get("cookie", ""))
        if cookie is not None and self.token.is_cookie(cookie):
            return
        given = bearer(headers.get("authorization", ""))
        if given is None:
            raise _unauthorized(
                "a token is needed: send 'Authorization: Bearer TOKEN', or log in on the page"
            )
        self.login(address, given)


def is_open(path: str) -> bool:
    """Whether what lies there is for everyone who reaches the service."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _unauthorized(sentence: str) -> Problem:
    return Problem(401, sentence, {"www-authenticate": "Bearer"})


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(scope=scope)


def _preflight() -> ASGIApp:
    from starlette.responses import Response

    return Response(status_code=204, headers={"access-control-max-age": "600"})


class _Answer:
    """The two ends of one request or socket, and what is added to its answer."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self._guard, self._scope, self._receive, self._send = guard, scope, receive, send
        self.headers = Headers(scope=scope)
        client = scope.get("client")
        self.address: str = client[0] if client else "unknown"
        self.origin: str | None = None
        self.late_s = 0.0
        self._started = False
        self._has_body = self.headers.get("content-length", "0") != "0" or (
            "transfer-encoding" in self.headers
        )

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._has_body = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            self._started = True
            headers = MutableHeaders(scope=message)
            self._add_headers(headers, message["status"])
        elif message["type"] == "websocket.accept":
            self._started = True
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Say what is wrong, if nothing has been said yet; else end it."""
        if not self._started:
            await self._drain()
            await asyncio.sleep(self.late_s)
            await self._respond(problem)
        elif self._scope["type"] == "websocket":
            await self._send({"type": "websocket.close", "code": 1011, "reason": "failed"})
        else:
            raise ConnectionAbortedError  # the connection is closed in the middle of the answer

    async def _drain(self) -> None:
        """Read on for a moment: a client that is still sending would find a reset, no answer."""
        if self._scope["type"] == "http" and self._has_body:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._discard(), DRAIN_S)

    async def _discard(self) -> None:
        read = 0
        while self._has_body and read < DRAIN_BYTES:
            message = await self.receive()
            if message["type"] != "http.request":
                return
            read += len(message.get("body", b""))

    async def _respond(self, problem: Problem) -> None:
        response = problem.response()
        start, body = "http.response.start", "http.response.body"
        if self._scope["type"] == "websocket":
            start, body = f"websocket.{start}", f"websocket.{body}"
            self._guard.counts.refused_sockets += 1
        await self.send(
            {"type": start, "status": response.status_code, "headers": response.raw_headers}
        )
        await self._send({"type": body, "body": bytes(response.body)})

    def _add_headers(self, headers: MutableHeaders, status: int) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("cache-control", "no-store")
        if self.origin is not None:
            headers.update(_cors(self.origin))
        if self._options_have_origins:
            headers.add_vary_header("Origin")
        if self._has_body:
            # What was not read would otherwise have to be, however long it is.
            headers["connection"] = "close"
        counts = self._guard.counts.by_status
        counts[status] = counts.get(status, 0) + 1

    @property
    def _options_have_origins(self) -> bool:
        return bool(self._guard._options.origins)


def _cors(origin: str) -> Mapping[str, str]:
    return {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": ALLOWED_METHODS,
        "access-control-allow-headers": ALLOWED_HEADERS,
        "cross-origin-resource-policy": "cross-origin",
    }
