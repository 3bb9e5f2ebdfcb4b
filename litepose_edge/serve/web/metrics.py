"""`GET /metrics`: the figures in Prometheus' text format."""

from __future__ import annotations

import math
from collections.abc import Mapping

from litepose_edge.serve.stream.figures import Histogram
from litepose_edge.serve.stream.service import Service
from litepose_edge.serve.stream.state import Condition
from litepose_edge.serve.web.guard import RequestCounts

PREFIX = "litepose_"


def metrics_text(service: Service, counts: RequestCounts, pictures: int) -> str:
    """All figures.

    Args:
        service: The stream.
        counts: Of HTTP requests.
        pictures: Treated for clients.
    """
    figures, readings = service.figures.snapshot(), service.readings
    condition, _ = service.state.now
    lines = [
        *_one("frames_total", "counter", "Frames treated.", figures.frames),
        *_one("dropped_frames_total", "counter", "Frames not treated.", service.capture.dropped),
        *_one("people", "gauge", "People in the newest frame.", figures.people),
        *_one("fps", "gauge", "Frames a second.", figures.fps),
        *_one("up", "gauge", "1 while frames come.", int(service.ready)),
        *_labelled(
            "state",
            "gauge",
            "1 for the state the stream is in, 0 for the others.",
            "state",
            {each.value: int(each is condition) for each in Condition},
        ),
        *_histogram(
            "latency_seconds", "From a frame's coming to its poses.", service.figures.latency
        ),
        *_histogram(
            "viewer_latency_seconds",
            "From a frame's coming to a viewer that shows it.",
            service.figures.viewer_latency,
        ),
        *_one("viewers", "gauge", "Viewers of the live stream.", service.hub.viewers),
        *_one("pictures_encoded_total", "counter", "Frames made JPEGs.", service.hub.encoded),
        *_one("pictures_posted_total", "counter", "Pictures treated for clients.", pictures),
        *_labelled(
            "http_responses_total",
            "counter",
            "Answers by HTTP status.",
            "status",
            {str(status): count for status, count in sorted(counts.by_status.items())},
        ),
        *_one("cpu_percent", "gauge", "Processor time, 100 is one CPU.", readings.cpu_percent),
        *_bytes(readings.memory_mb),
        *_one("temperature_celsius", "gauge", "Of the hottest sensor.", readings.temperature_c),
    ]
    return "\n".join(lines) + "\n"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {PREFIX}{name} {text}", f"# TYPE {PREFIX}{name} {kind}"]


def _one(name: str, kind: str, text: str, value: float | None) -> list[str]:
    """A figure; nothing where it is not known."""
    if value is None or not math.isfinite(value):
        return []
    return [*_head(name, kind, text), f"{PREFIX}{name} {value:.10g}"]


def _bytes(megabytes: float | None) -> list[str]:
    value = None if megabytes is None else 1e6 * megabytes
    return _one("memory_bytes", "gauge", "Resident memory of the process.", value)


def _labelled(
    name: str, kind: str, text: str, label: str, values: Mapping[str, float]
) -> list[str]:
    rows = [f'{PREFIX}{name}{{{label}="{key}"}} {value}' for key, value in values.items()]
    return [*_head(name, kind, text), *rows]


def _histogram(name: str, text: str, histogram: Histogram) -> list[str]:
    rows, total = [], 0
    # Copied at once: the sum and the counts are of the same moment but for a frame.
    counts, sum_s = list(histogram.counts), histogram.sum_s
    for bound, count in zip((*histogram.bounds_s, math.inf), counts, strict=True):
        total += count
        limit = "+Inf" if math.isinf(bound) else f"{bound:g}"
        rows.append(f'{PREFIX}{name}_bucket{{le="{limit}"}} {total}')
    rows += [f"{PREFIX}{name}_sum {sum_s:.6f}", f"{PREFIX}{name}_count {total}"]
    return [*_head(name, "histogram", text), *rows]
