"""Keeps ONNX Runtime sessions that other code makes to the CPUs this process may use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock


@contextlib.contextmanager
def within_affinity() -> Iterator[None]:
    """Sessions made inside get as many threads as this process may use CPUs, at their default.

    ONNX Runtime's default is a thread for every core of the machine, and it binds them to cores
    itself: in a process bound to one CPU its second thread runs on another all the same.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    if usable is None or usable == os.cpu_count():
        yield
        return
    # Not at the top: our package, which switches its telemetry off, is imported before.
    import onnxruntime

    make = onnxruntime.InferenceSession

    def bound(path_or_bytes: Any, sess_options: Any = None, *args: Any, **kwargs: Any) -> Any:
        options = onnxruntime.SessionOptions() if sess_options is None else sess_options
        if options.intra_op_num_threads == 0:
            options.intra_op_num_threads = usable
        return make(path_or_bytes, options, *args, **kwargs)

    with mock.patch.object(onnxruntime, "InferenceSession", bound):
        yield
