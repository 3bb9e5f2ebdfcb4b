"""Node, its packages and a browser, as far as this machine has them; else tests skip.

The packages lie outside the checkout, in the user's cache, and are installed once.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(
    os.environ.get("LITEPOSE_NODE_CACHE", Path.home() / ".cache" / "litepose-edge" / "node")
)
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
INSTALL_S, BROWSER_S = 300, 180


def packages(*names: str) -> Path:
    """A folder whose `node_modules` has the packages; the test skips where they cannot be had."""
    if not all(map(shutil.which, ("node", "npm"))):
        pytest.skip("needs node and npm")
    if not all((FOLDER / "node_modules" / name / "package.json").exists() for name in names):
        FOLDER.mkdir(parents=True, exist_ok=True)
        # The scripts of onnxruntime-node download GPU libraries; the CPU's lie in the package.
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *names]
        try:
            done = subprocess.run(
                command, cwd=FOLDER, capture_output=True, text=True, timeout=INSTALL_S
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm did not install {', '.join(names)} in {INSTALL_S} s")
        if done.returncode:
            pytest.skip(f"npm cannot install {', '.join(names)}: {done.stderr.strip()[-300:]}")
    return FOLDER


def browser() -> str:
    """A Chromium-like browser: that of `LITEPOSE_BROWSER`, else one on the path."""
    named = os.environ.get("LITEPOSE_BROWSER")
    found = named or next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs a browser: Chromium or Chrome, or LITEPOSE_BROWSER")
    return found


class Pages:
    """A folder, served on this machine, and what its pages post back.

    Attributes:
        address: Of the folder.
    """

    def __init__(self, address: str, posted: queue.Queue[Any]) -> None:
        self.address, self._posted = address, posted

    def visit(self, path: str) -> Any:
        """What a page posts to `/report`, as seen by a headless browser without a network."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            command = [
                browser(), "--headless=new", "--no-sandbox", "--disable-gpu",
                "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={profile}",
                # Everything but this machine is nowhere.
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                f"{self.address}/{path}",
            ]  # fmt: skip
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                return self._posted.get(timeout=BROWSER_S)
            except queue.Empty:
                pytest.fail(f"the page {path} reported nothing in {BROWSER_S} s")
            finally:
                process.kill()
                process.wait()


@contextmanager
def served(folder: Path, headers: Mapping[str, str] | None = None) -> Iterator[Pages]:
    """Serves a folder until the end of the block, with more headers if there are some."""
    posted: queue.Queue[Any] = queue.Queue()

    class Handler(SimpleHTTPRequestHandler):
        extensions_map = {  # noqa: RUF012 - as the base class has it
            **SimpleHTTPRequestHandler.extensions_map,
            ".mjs": "text/javascript",
            ".wasm": "application/wasm",
        }

        def end_headers(self) -> None:
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_: Any) -> None:
            pass

        def do_POST(self) -> None:
            posted.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Pages(f"http://127.0.0.1:{server.server_port}", posted)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
