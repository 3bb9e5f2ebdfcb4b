"""Runs networks frame by frame on an emulated machine and marks where its parts begin and end.

python counted.py JOB.json

The job is a list of `benchmarks.arm.networks.Network` as JSON, and a number of frames. A plug-in of
the emulator notes the counts at each mark (`count_instructions.c`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from litepose_edge import backends
from litepose_edge.backends.session import Session, TensorSpec
from litepose_edge.measure.bench.runs.scene import draw_scene
from litepose_edge.pipelines import detector, topdown
from litepose_edge.preprocess import Image

# What a mark says; `MARK` as in the plug-in.
MARK = 0x4C500000
ITEM, FRAME, CROP, RUN, RAN, END = range(1, 7)
MIN_SCORE = 0.3
GRAPH_TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}


def mark(what: int) -> None:
    """Tell the emulator's plug-in: it sees the system call, which fails."""
    try:  # noqa: SIM105 - `contextlib.suppress` costs as many instructions as a step of decoding
        os.close(MARK + what)
    except OSError:
        pass


class MarkedSession:
    """A session that marks where each run begins and ends."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def input(self) -> TensorSpec:
        """The network's."""
        return self._session.input

    def run(self, batch: Any) -> dict[str, Any]:
        """Outputs by name."""
        mark(RUN)
        outputs = self._session.run(batch)
        mark(RAN)
        return outputs

    def close(self) -> None:
        """Free the network."""
        self._session.close()


def marked_warp(warp: Callable[..., Image]) -> Callable[..., Image]:
    """The cutting of a crop, which goes on until the network runs."""

    def cut(*arguments: Any, **options: Any) -> Image:
        mark(CROP)
        return warp(*arguments, **options)

    return cut


def frame_of(kind: str, path: str) -> Callable[[], object]:
    """What is done with a frame: all of a pipeline, or the run of a network or graph alone."""
    image, boxes = draw_scene(1)
    if kind == "network":
        session = MarkedSession(backends.open_bytes(Path(path).read_bytes()))
        sizes = [size if isinstance(size, int) else 1 for size in session.input.shape]
        batch = np.random.default_rng(0).normal(size=sizes).astype(np.float32)
        return lambda: session.run(batch)
    if kind == "graph":
        return graph_run(path)
    model = backends.find_model(path)

    def open_session(threads: int) -> MarkedSession:
        return MarkedSession(model.open(threads))

    if kind == "detector":
        find = detector.PersonDetector(open_session, model.manifest, 1)
        return lambda: find(image, MIN_SCORE)
    people = topdown.TopDown(open_session, model.manifest, 1, flip_test=False)
    return lambda: people(image, boxes)


def graph_run(path: str) -> Callable[[], object]:
    """One run of a graph with inputs of any number and kind, such as an operator's."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feeds = {}
    for given in session.get_inputs():
        kind = GRAPH_TYPES[given.type]
        feeds[given.name] = rng.integers(0, 100, given.shape).astype(kind)

    def run() -> None:
        mark(RUN)
        session.run(None, feeds)
        mark(RAN)

    return run


def main() -> None:
    """Mark every frame of every network of the job."""
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    topdown.warp = marked_warp(topdown.warp)  # type: ignore[attr-defined]
    detector.warp = marked_warp(detector.warp)  # type: ignore[attr-defined]
    for network in job["networks"]:
        frame = frame_of(network["kind"], network["path"])
        frame()  # the first one allocates
        mark(ITEM)
        for _ in range(job["frames"]):
            mark(FRAME)
            frame()
            mark(END)


if __name__ == "__main__":
    main()
