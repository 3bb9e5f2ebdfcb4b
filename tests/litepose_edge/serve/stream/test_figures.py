import time

import pytest

from litepose_edge.serve.stream.figures import Histogram, StreamFigures


def test_a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed():
    histogram = Histogram()
    for seconds in (0.005, 0.0051, 99.0):
        histogram.add(seconds)
    assert histogram.counts[0] == histogram.counts[1] == histogram.counts[-1] == 1
    assert histogram.sum_s == pytest.approx(99.0101)


def test_without_frames_there_is_no_latency_and_no_rate():
    figures = StreamFigures().snapshot()
    assert (figures.frames, figures.fps, figures.p50_ms, figures.p95_ms) == (0, 0.0, None, None)


def test_latency_counts_from_a_frames_coming():
    figures = StreamFigures()
    for _ in range(20):
        figures.frame_done(time.monotonic() - 0.030, 2)
    snapshot = figures.snapshot()
    assert snapshot.frames == 20
    assert snapshot.people == 2
    assert snapshot.p50_ms == pytest.approx(30, abs=5)
    assert snapshot.p95_ms >= snapshot.p50_ms


def test_a_stream_that_stopped_has_no_people():
    figures = StreamFigures()
    figures.frame_done(time.monotonic(), 3)
    figures.stopped()
    assert figures.snapshot().people == 0
