"""A process that may use one CPU only, as in many containers."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

ONE_CPU = textwrap.dedent(
    """
    import os
    import sys

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    import numpy as np

    from litepose_edge import backends
    from litepose_edge.errors import ModelError

    session = backends.find_model("persondet", backend=sys.argv[1]).open(1)
    for height in (100, 96, 100, 96):
        try:
            answer = session.run(np.zeros((1, 3, height, 128), np.float32))["level_32"]
            print(height, answer.shape[2:])
        except ModelError:
            print(height, "refused")
    """
)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
@pytest.mark.parametrize(
    "backend", ["onnxruntime", pytest.param("openvino", marks=pytest.mark.openvino)]
)
def test_a_size_that_the_network_has_no_answer_for_is_refused(backend):
    # OpenVINO by itself gives its last answer again, or crashes.
    done = subprocess.run(
        [sys.executable, "-c", ONE_CPU, backend], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.splitlines() == ["100 refused", "96 (3, 4)"] * 2
