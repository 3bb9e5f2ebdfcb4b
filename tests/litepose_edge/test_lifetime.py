"""Closed estimators and forks of their process: nothing goes on, nothing hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial

import numpy as np
import pytest

from litepose_edge import Estimator, backends
from litepose_edge.networks import Lifetime, NetworkOptions, Networks
from litepose_edge.pipelines.topdown import TopDown

FRAME = np.zeros((96, 96, 3), np.uint8)
BOXES = [[5, 5, 60, 90], [10, 5, 80, 90]]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def in_a_fork(call) -> int:
    """What became of a call in a fork: 0 a clear error, 1 no error, 2 another one; None a hang."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        code = 2
        with suppress(BaseException):
            try:
                call()
                code = 1
            except RuntimeError as exc:
                code = 0 if "fork" in str(exc) else 2
        os._exit(code)
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status)


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_is_told_so_whatever_it_goes_on_with():
    with Estimator(threads=2) as estimator:
        tracker = estimator.tracker()
        tracker.update(FRAME)
        stream, tracked = (estimator.stream([FRAME] * 5, detect_every=n) for n in (None, 2))
        begun = [next(stream), next(tracked)]
        unbegun = estimator.stream([FRAME] * 5)
        calls = [
            partial(estimator.predict, FRAME),
            partial(estimator.predict, FRAME, boxes_xyxy=BOXES),
            partial(estimator.predict_batch, [FRAME, FRAME]),
            partial(tracker.update, FRAME),
            partial(list, stream),
            partial(list, tracked),
            partial(list, unbegun),
            partial(estimator.stream, [FRAME]),
            partial(estimator.tracker),
        ]
        assert [in_a_fork(call) for call in calls] == [0] * len(calls)
        # The process that made them goes on undisturbed.
        assert len(begun) + len(list(stream)) + len(list(tracked)) == 10
        assert len(tracker.update(FRAME)) == 0


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    "backend", ["onnxruntime", pytest.param("openvino", marks=pytest.mark.openvino)]
)
def test_a_fork_ends_though_it_holds_networks(backend, tmp_path):
    if backend == "openvino":
        pytest.importorskip("openvino")
    script = tmp_path / "forks.py"
    script.write_text(f"""
import os, signal, sys
import numpy as np
from litepose_edge import Estimator
frame = np.zeros((96, 96, 3), np.uint8)
estimator = Estimator(threads=2, backend={backend!r})
estimator.predict(frame, boxes_xyxy={BOXES})
stream = estimator.stream([frame] * 5)
next(stream)
for close in (False, True):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        if close:
            estimator.close()
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7, close
""")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_stream_under_way_ends_with_its_estimator():
    estimator = Estimator(threads=2)
    stream = estimator.stream([FRAME] * 8)
    next(stream)
    estimator.close()
    with pytest.raises(RuntimeError, match="closed"):
        list(stream)


@pytest.mark.parametrize("detect_every", [None, 1])
def test_a_stream_made_before_does_not_begin_after(detect_every):
    estimator = Estimator(threads=2)
    stream = estimator.stream([FRAME] * 3, detect_every=detect_every)
    estimator.close()
    with pytest.raises(RuntimeError, match="closed"):
        next(stream)


def test_a_tracker_ends_with_its_estimator():
    estimator = Estimator(threads=2)
    tracker = estimator.tracker()
    tracker.update(FRAME)
    estimator.close()
    with pytest.raises(RuntimeError, match="closed"):
        tracker.update(FRAME)


@pytest.mark.parametrize("threads", [1, 2])
def test_nothing_is_opened_again_once_closed(threads):
    options = NetworkOptions(
        model=backends.find_model("lrpose-n"),
        detector="default",
        backend="onnxruntime",
        precision=None,
        flip_test=None,
    )
    lifetime = Lifetime()
    networks = Networks(options, threads, lifetime)
    boxes = np.array(BOXES, np.float32)
    calls = (
        partial(networks.people, FRAME, 0.3, 5),
        partial(networks.people_in, FRAME, boxes),
        partial(networks.boxes, FRAME, 0.3),
    )
    for call in calls:
        call()
    lifetime.end()
    networks.close()
    for call in calls:
        with pytest.raises(RuntimeError, match="closed"):
            call()
    # A pipeline too, for a thread that was past the estimator's check when it was closed.
    topdown = TopDown(options.model.open, options.model.manifest, threads)
    topdown.close()
    with pytest.raises(RuntimeError, match="closed"):
        topdown(FRAME, boxes)


@pytest.mark.parametrize(
    "backend", ["onnxruntime", pytest.param("openvino", marks=pytest.mark.openvino)]
)
def test_calls_under_way_end_with_a_clear_error_or_a_result(backend):
    if backend == "openvino":
        pytest.importorskip("openvino")
    for pause in (0.0, 0.003, 0.01):
        estimator = Estimator("lrpose-n", threads=2, backend=backend)
        errors: list[BaseException] = []

        def work(estimator=estimator, errors=errors):
            try:
                for _ in range(1000):
                    estimator.predict(FRAME, boxes_xyxy=BOXES)
            except BaseException as exc:  # noqa: BLE001 - looked at below
                errors.append(exc)

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        time.sleep(pause)
        estimator.close()
        for worker in workers:
            worker.join(timeout=30)
        assert [type(error) for error in errors] == [RuntimeError] * 4
