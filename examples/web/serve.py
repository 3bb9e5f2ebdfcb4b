"""Serves this folder to a browser on this computer, so that WebAssembly may use several threads.

    python serve.py [--port 8000]           and open http://localhost:8000/index.html

Threads share memory, which browsers allow to pages that are cross-origin isolated alone: their
server sends the two headers below, here and wherever the page goes.
"""

from __future__ import annotations

import argparse
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
TYPES = {".mjs": "text/javascript", ".wasm": "application/wasm"}


class Isolated(SimpleHTTPRequestHandler):
    """Files with the headers of an isolated page; Windows does not know the types of some."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **TYPES}  # noqa: RUF012

    def end_headers(self) -> None:
        """Add them to each answer."""
        for name, value in ISOLATION.items():
            self.send_header(name, value)
        super().end_headers()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    handler = partial(Isolated, directory=str(Path(__file__).parent))
    with ThreadingHTTPServer(("127.0.0.1", options.port), handler) as server:
        print(f"http://localhost:{server.server_port}/index.html", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
