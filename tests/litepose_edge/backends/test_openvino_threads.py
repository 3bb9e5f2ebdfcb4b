"""A new process whose threads all begin with OpenVINO at the same moment."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("openvino")
pytestmark = pytest.mark.openvino

# Threads that switch often meet inside OpenVINO's handling of its first array.
FIRST_CALLS = """
import sys
from threading import Barrier, Thread

import numpy as np

from litepose_edge.backends import bundled, files
from litepose_edge.backends.openvino_session import OpenVinoSession

sys.setswitchinterval(1e-6)
session = OpenVinoSession(files.read(bundled.find("lrpose-s", "fp32")), threads=1)
batch = np.zeros((1, 3, 256, 192), np.float32)
barrier = Barrier(16)

def first():
    barrier.wait()
    session.run(batch)
    print("answered")

threads = [Thread(target=first, daemon=True) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize("attempt", range(4))
def test_the_first_calls_of_threads_do_not_wait_for_each_other_for_ever(attempt):
    # Without the first array at import most such processes hang.
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CALLS], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.count("answered") == 16
