"""The service does what its OpenAPI document says: requests are made from it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("schemathesis")

EXAMPLES = "40"
FUZZ = Path(__file__).parent / "openapi_fuzz.py"


@pytest.mark.slow
def test_requests_made_from_the_document_are_answered_as_it_says(open_service, tmp_path):
    # In a process of its own: its plugin for pytest has settings and warnings of its own.
    done = subprocess.run(
        [sys.executable, str(FUZZ), open_service.url, EXAMPLES],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
