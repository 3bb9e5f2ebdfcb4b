"""Clients that hold connections, send too much, or speak no HTTP: by plain sockets."""

import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect

from litepose_edge.serve.options import Limits, WebOptions
from live_service import RunningService, film, make_service, running, wait_until

LIMITS = Limits(
    connections=20,
    connections_each=12,
    viewers=3,
    body_bytes=10_000,
    requests_per_s=1e6,
    requests_burst=10**6,
    head_s=0.4,
    body_s=0.4,
    stalled_s=0.5,
)


@pytest.fixture(scope="module")
def strict() -> Iterator[RunningService]:
    with running(make_service(lambda: film(3000)), WebOptions(limits=LIMITS)) as found:
        wait_until(lambda: found.service.hub.newest is not None)
        yield found
        assert found.service.status()["state"] == "running"


def connected(found: RunningService, seconds: float = 10.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", found.port), timeout=seconds)


def everything(connection: socket.socket) -> bytes:
    """All that comes until the other side ends it."""
    content = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            content += part
    return content


def asked(found: RunningService, request: bytes) -> bytes:
    with connected(found) as connection:
        connection.sendall(request)
        return everything(connection)


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01",  # TLS
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1e3\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"GET /" + b"a" * 70_000,
        b"\0" * 64 + b"\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_in_json_and_closed(strict, request_bytes):
    answer = asked(strict, request_bytes)
    status, _, body = answer.partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 400 "), answer[:200]
    assert b"\r\nx-content-type-options: nosniff\r\n" in status
    assert "error" in json.loads(body)


def test_two_names_of_the_service_are_refused(strict):
    assert b" 421 " in asked(strict, b"GET / HTTP/1.0\r\nConnection: close\r\n\r\n")


def test_a_head_that_comes_in_drops_ends_in_time(strict):
    began = time.monotonic()
    with connected(strict) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        with contextlib.suppress(OSError):
            for _ in range(100):
                connection.sendall(b"X-A: b\r\n")
                time.sleep(0.05)
        answer = everything(connection)
    assert answer == b"" or b" 408 " in answer  # reset by what was sent after the end
    assert time.monotonic() - began < 5


def test_a_connection_that_says_nothing_ends_in_time(strict):
    with connected(strict) as connection:
        assert b" 408 " in everything(connection)


def test_a_body_that_comes_too_slowly_is_refused(strict):
    request = head("POST", "/v1/pose", "Content-Type: image/jpeg", "Content-Length: 100")
    assert b" 408 " in asked(strict, request + b"\xff\xd8\xff")


def test_a_body_too_long_is_refused_before_it_is_read(strict):
    request = head("POST", "/v1/pose", "Content-Type: image/jpeg", "Content-Length: 99999999999")
    answer = asked(strict, request)
    assert b" 413 " in answer
    assert b"connection: close" in answer.lower()


def test_a_body_of_unknown_length_is_read_no_further_than_allowed(strict):
    request = head("POST", "/v1/pose", "Content-Type: image/jpeg", "Transfer-Encoding: chunked")
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    assert b" 413 " in asked(strict, request + 3 * chunk)


def test_a_client_that_is_still_sending_hears_why_it_is_refused(strict):
    body = bytes(3_000_000)
    request = head(
        "POST",
        "/v1/pose",
        "Content-Type: text/plain",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    assert b" 415 " in asked(strict, request + body)


def test_a_body_where_none_belongs_is_not_read(strict):
    answer = asked(strict, head("GET", "/healthz", "Content-Length: 5000000"))
    assert b" 200 " in answer
    assert b"connection: close" in answer.lower()


def test_requests_in_a_row_on_one_connection_are_answered_in_order(strict):
    last = head("GET", "/readyz", "Connection: close")
    answer = asked(strict, head("GET", "/healthz") + head("GET", "/nothing") + last)
    places = [answer.index(text) for text in (b'"ok"', b" 404 ", b'"ready"')]
    assert places == sorted(places)


def test_one_address_holds_so_many_connections_and_no_more(strict):
    held = [connected(strict) for _ in range(LIMITS.connections_each)]
    try:
        with connected(strict) as one_more:
            assert b" 503 " in everything(one_more)
    finally:
        for connection in held:
            connection.close()
    wait_until(lambda: httpx.get(f"{strict.url}healthz").status_code == 200)


def test_a_viewer_that_takes_nothing_is_dropped_and_the_others_go_on(strict):
    request = head(
        "GET", "/v1/live", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )  # fmt: skip
    with socket.socket() as stuck, connect(f"{strict.socket_url}/v1/live") as good:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        stuck.connect(("127.0.0.1", strict.port))
        stuck.sendall(request)
        wait_until(lambda: strict.service.hub.viewers == 2)
        until = time.monotonic() + 20
        while strict.service.hub.viewers == 2 and time.monotonic() < until:
            good.recv(10)
        assert strict.service.hub.viewers == 1
        assert good.recv(10)


def test_viewers_beyond_the_limit_are_refused_with_a_reason(strict):
    with contextlib.ExitStack() as viewers:
        for _ in range(LIMITS.viewers):
            viewers.enter_context(connect(f"{strict.socket_url}/v1/stream"))
        answer = httpx.get(f"{strict.url}v1/stream")
        assert answer.status_code == 503
        assert "viewers" in answer.json()["error"]
    wait_until(lambda: strict.service.hub.viewers == 0)


def test_connections_that_break_off_leave_nothing_behind(strict):
    for _ in range(30):
        with connected(strict) as connection:
            connection.sendall(head("GET", "/v1/stream"))
            connection.recv(100)
            # Reset instead of an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(lambda: strict.service.hub.viewers == 0)
    assert httpx.get(f"{strict.url}healthz").status_code == 200
