"""Inputs by HTTP, from a server of this machine."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from litepose_edge.errors import SourceError
from litepose_edge.scale import remote


class Pages(BaseHTTPRequestHandler):
    asked: dict[str, int] = {}  # noqa: RUF012 - a class of one test
    credentials: list[str | None] = []  # noqa: RUF012

    def do_GET(self):
        path = self.path.split("?")[0]
        self.asked[path] = self.asked.get(path, 0) + 1
        busy = path == "/busy.jpg" and self.asked[path] < 3
        if path == "/none.jpg" or busy or path == "/broken.jpg":
            self.send_error({"/none.jpg": 404, "/busy.jpg": 503}.get(path, 500))
            return
        if path in ("/moved.jpg", "/evil.jpg"):
            self.send_response(302)
            target = {"/moved.jpg": "/a.jpg", "/evil.jpg": "ftp://127.0.0.1/a"}[path]
            self.send_header("Location", target)
            self.end_headers()
            return
        self.credentials.append(self.headers.get("Authorization"))
        self.send_response(200)
        self.send_header("Content-Length", "1000" if path == "/cut.jpg" else "5")
        self.end_headers()
        self.wfile.write(b"12345")

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_S", 0.001)
    Pages.asked.clear()
    Pages.credentials.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("name", "times"), [("a.jpg", 1), ("busy.jpg", 3), ("moved.jpg", 1)])
def test_a_page_is_a_file_while_it_is_needed(server, name, times):
    with remote.local_file(f"{server}/{name}?width=9", 100) as path:
        assert path.read_bytes() == b"12345"
        assert path.suffix == ".jpg"
    assert not path.exists()
    assert Pages.asked[f"/{name}"] == times


@pytest.mark.parametrize(
    ("name", "said", "times"),
    [
        ("none.jpg", "404", 1),
        ("broken.jpg", "500", 3),
        ("cut.jpg", "5 of 1000 bytes", 3),
        ("evil.jpg", "redirects to ftp:", 1),
    ],
)
def test_what_does_not_come_is_a_source_error(server, name, said, times):
    with (
        pytest.raises(SourceError, match=said) as error,
        remote.local_file(f"{server}/{name}", 100),
    ):
        pass
    assert server in str(error.value) or "ftp:" in str(error.value)
    assert Pages.asked[f"/{name}"] == times


def test_a_page_that_is_too_large_is_refused(server):
    with pytest.raises(SourceError, match="4 bytes"), remote.local_file(f"{server}/a.jpg", 4):
        pass


@pytest.mark.parametrize("place", ["127.0.0.1:1", "127.0.0.1:none", "secret@127.0.0.1:1"])
def test_passwords_are_in_no_message(monkeypatch, place):
    monkeypatch.setattr(remote, "PAUSE_S", 0.001)
    with (
        pytest.raises(SourceError) as error,
        remote.local_file(f"http://user:secret%20@{place}/a.jpg", 9),
    ):
        pass
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "sent"), [("a.jpg", "Basic dXNlcjpzZWMgcmV0"), ("moved.jpg", None)]
)
def test_a_server_gets_user_and_password_and_none_behind_a_redirect(server, name, sent):
    with remote.local_file(f"{server}/{name}".replace("://", "://user:sec%20ret@"), 100):
        assert Pages.credentials == [sent]


def test_a_camera_is_no_archive():
    with (
        pytest.raises(SourceError, match="record it first"),
        remote.local_file("rtsp://camera/1", 9),
    ):
        pass


def test_a_store_that_is_lost_for_a_moment_is_asked_again(monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_S", 0.001)
    tries = []

    class Store:
        def open(self, *_):
            tries.append(1)
            if len(tries) < 3:
                raise ConnectionResetError("reset")
            return contextlib.closing(__import__("io").BytesIO(b"abc"))

    monkeypatch.setattr(remote, "_file_system", lambda source: (Store(), "x"))
    with remote.local_file("s3://bucket/x.png", 9) as path:
        assert path.read_bytes() == b"abc"
