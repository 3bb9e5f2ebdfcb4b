"""Times graphs in ONNX Runtime on one thread: in turns, medians, and their noise."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from litepose_edge.measure.timing import Job, no_preparation, time_in_turns

ROUNDS, WARM_UP_ROUNDS = 61, 2
TOGETHER = 400  # graphs in one run of turns: all of them stay open
FINE_CLOCK_S = 1e-5
# A sample whose wall time is longer by this factor was interrupted; what part must not have been.
INTERRUPTED, LEAST_KEPT = 1.15, 0.25


@dataclass(frozen=True, slots=True)
class Timed:
    """What one graph takes.

    Attributes:
        ms: Median over the rounds.
        noise: Half the middle half of the samples by the median: a part of `ms`.
    """

    ms: float
    noise: float


def time_graphs(
    graphs: Mapping[str, onnx.ModelProto],
    advance: Callable[[], None] = lambda: None,
    rounds: int = ROUNDS,
    *,
    warm: bool = False,
) -> dict[str, Timed]:
    """Time each graph on one thread.

    One thread's CPU time is its wall time where nothing else runs, and stays true where something
    does. Where the CPU clock is too coarse, as on Windows, the wall clock counts.

    Each run of an operator follows one of another: its weights come from far, as they do in a
    network. A network is run once before it is timed, as one that is in use.

    Args:
        graphs: With fixed shapes, by name.
        advance: Called once a graph.
        rounds: Turns of each.
        warm: Whether each is run once right before it is timed.
    """
    names = list(graphs)
    found: dict[str, Timed] = {}
    for start in range(0, len(names), TOGETHER):
        chosen = names[start : start + TOGETHER]
        jobs = {name: _job(graphs[name], advance, warm=warm) for name in chosen}
        times = time_in_turns(jobs, rounds=rounds, warm_up_rounds=WARM_UP_ROUNDS, rotate=True)
        for name in chosen:
            found[name] = _summary(times.wall_ms[name], times.cpu_ms[name])
    return found


def _summary(wall_ms: NDArray[np.float64], cpu_ms: NDArray[np.float64]) -> Timed:
    """The median of the samples during which the process kept its core, if they are enough."""
    samples = wall_ms
    if time.get_clock_info("process_time").resolution <= FINE_CLOCK_S:
        # Whoever had the core in between has left the caches to others.
        kept = wall_ms <= INTERRUPTED * cpu_ms
        samples = cpu_ms[kept] if kept.sum() >= LEAST_KEPT * len(kept) else cpu_ms
    low, median, high = np.percentile(samples, [25, 50, 75])
    return Timed(float(median), float((high - low) / 2 / max(median, 1e-9)))


def _job(graph: onnx.ModelProto, advance: Callable[[], None], *, warm: bool) -> Job:
    run = open_graph(graph)
    run()
    advance()
    return Job(run, prepare=run if warm else no_preparation)


def open_graph(graph: onnx.ModelProto) -> Callable[[], Any]:
    """A run of the graph on random inputs, with the runtime's session options and one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = random_feeds(graph)
    names = [output.name for output in session.get_outputs()]
    return lambda: session.run(names, feeds)


def random_feeds(graph: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """Inputs of a graph with fixed shapes; the same ones every time."""
    rng = np.random.default_rng(0)
    feeds: dict[str, NDArray[Any]] = {}
    for value in graph.graph.input:
        tensor = value.type.tensor_type
        shape = [d.dim_value for d in tensor.shape.dim]
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        if np.issubdtype(kind, np.integer):
            feeds[value.name] = rng.integers(0, 100, shape).astype(kind)
        else:
            feeds[value.name] = rng.standard_normal(shape).astype(kind)
    return feeds
