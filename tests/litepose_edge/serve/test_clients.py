"""The clients of the guide, run against a service as they stand there."""

import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from litepose_edge.serve.options import WebOptions
from live_service import TOKEN, film, make_service, running, wait_until
from paths import ROOT

GUIDE = ROOT / "docs" / "guides" / "live-view.md"
BLOCK = re.compile(r"<!-- [^\n]*test_clients.py -->\n```(\w+)\n(.*?)```", re.DOTALL)
CLIENTS = dict(BLOCK.findall(GUIDE.read_text("utf-8")))
COMMANDS = {"python": [sys.executable, "-u"], "js": ["node"], "sh": ["bash"]}
SUFFIXES = {"python": "py", "js": "mjs", "sh": "sh"}


@pytest.fixture(scope="module")
def service():
    source = make_service(lambda: film(3000))
    with running(source, WebOptions(token=TOKEN)) as found:
        wait_until(lambda: source.hub.newest is not None)
        yield found


@pytest.mark.parametrize("language", COMMANDS)
def test_a_client_of_at_most_15_lines_gets_people_of_a_picture_and_of_the_stream(
    service, language, tmp_path
):
    code = CLIENTS[language]
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    command = COMMANDS[language]
    if shutil.which(command[0]) is None or (language == "sh" and shutil.which("curl") is None):
        pytest.skip(f"needs {command[0]} and curl")
    picture = np.random.default_rng(3).integers(0, 255, (120, 160, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "photo.jpg"), picture)
    code = code.replace("http://127.0.0.1:8080/", service.url).replace("TOKEN", TOKEN)
    program = tmp_path / f"client.{SUFFIXES[language]}"
    program.write_text(code)
    with subprocess.Popen(
        [*command, str(program)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said = []
        for line in process.stdout:
            said.append(line)
            # The picture's person, then what comes without end.
            if len(said) >= 4:
                break
        process.kill()
    text = "".join(said)
    if language == "sh":
        assert '"people"' in said[0]
        assert any("data: " in line for line in said), text
    else:
        assert said[0].split()[0].replace(".", "").isdigit(), text
        assert said[1:] == ["1 people\n"] * 3, text
