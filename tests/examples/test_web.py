"""The browser example's server: what a page with threads needs."""

from __future__ import annotations

import subprocess
import sys
from urllib.request import urlopen

from paths import ROOT

SERVER = ROOT / "examples" / "web" / "serve.py"


def test_the_server_isolates_the_page_and_knows_its_types():
    command = [sys.executable, "-u", str(SERVER), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().decode().strip()
            types = {"index.html": "text/html", "litepose.mjs": "text/javascript"}
            for name, expected in types.items():
                with urlopen(
                    address.replace("localhost", "127.0.0.1").replace("index.html", name)
                ) as answer:
                    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
                    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
                    assert answer.headers.get_content_type() == expected
                    assert answer.read() == (SERVER.parent / name).read_bytes()
        finally:
            process.kill()
