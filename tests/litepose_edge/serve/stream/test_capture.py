import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from litepose_edge.errors import ModelFileMissingError, SourceError
from litepose_edge.serve.stream import capture
from litepose_edge.serve.stream.controls import Controls
from litepose_edge.serve.stream.playback import PlayedFrames
from litepose_edge.serve.stream.state import Condition
from litepose_edge.sources import Frame, FrameSource
from litepose_edge.sources.frames import SourceCounts
from live_service import film, frames, make_service, wait_until


def collected(service):
    """What the service publishes."""
    published = []
    publish = service.hub.publish
    service.hub.publish = lambda treated: (published.append(treated), publish(treated))
    return published


def run_to_its_end(service) -> list:
    published = collected(service)
    service.start()
    try:
        wait_until(lambda: service.state.now[0] is Condition.ENDED)
    finally:
        service.stop()
    return published


def test_a_source_played_once_ends_with_it():
    published = run_to_its_end(make_service(lambda: film(5, fps=60), once=True))
    assert 1 <= len(published) <= 5
    assert all(len(treated.poses) == 1 for treated in published)
    assert all(treated.poses.track_ids.tolist() == [1] for treated in published)


def test_a_stream_served_once_ends_where_it_breaks_off():
    """A stream has no other end; the film's reason is told."""

    def breaks_off() -> Iterator[Frame]:
        yield from frames(3)
        raise SourceError("film.mp4 stopped after 3 frames")

    service = make_service(lambda: FrameSource("film.mp4", breaks_off(), live=True), once=True)
    published = run_to_its_end(service)
    assert published
    assert service.state.now[1] == "film.mp4 stopped after 3 frames"


def test_one_picture_is_not_asked_for_without_a_pause(monkeypatch):
    monkeypatch.setattr(capture, "FIRST_DELAY_S", 0.2)
    opened = []

    def picture() -> FrameSource:
        opened.append(1)
        return FrameSource("http://camera/snapshot.jpg", iter(list(frames(1))), live=True)

    service = make_service(picture)
    service.start()
    try:
        wait_until(lambda: len(opened) > 2)
        before = len(opened)
        threading.Event().wait(0.5)
        assert len(opened) - before <= 4
        assert service.state.now[0] is Condition.RUNNING
    finally:
        service.stop()


def test_a_recording_begun_before_frames_flow_has_the_rate_of_the_source():
    class Rates:
        recording, problem = False, None

        def __init__(self) -> None:
            self.begun: list[float] = []

        def start(self, fps: float) -> None:
            self.begun.append(fps)

        def take(self, treated) -> None: ...

        def stop(self, timeout_s: float | None = 0.0) -> None: ...

    recorder = Rates()
    service = make_service(lambda: film(300, fps=50), recorder=recorder)
    service.record(True)  # nothing has been opened yet
    service.change({"paused": True})
    service.start()
    try:
        wait_until(lambda: service.state.now[0] is Condition.PAUSED)
        service.record(True)
        service.change({"paused": False})
        wait_until(lambda: service.figures.snapshot().frames > 20)
        service.record(True)
    finally:
        service.stop()
    assert recorder.begun[:2] == [30.0, 50.0]
    assert 5 < recorder.begun[2] < 100  # counted by now
    assert recorder.begun[2] != 50.0


def test_a_film_begins_again_and_everything_goes_on_growing():
    service = make_service(lambda: film(4, fps=100))
    published = collected(service)
    service.start()
    try:
        wait_until(lambda: len(published) > 9)
    finally:
        service.stop()
    indices = [treated.index for treated in published]
    times = [treated.timestamp_s for treated in published]
    ids = [int(treated.poses.track_ids[0]) for treated in published if len(treated.poses)]
    assert indices == list(range(len(indices)))
    assert all(later > earlier for earlier, later in itertools.pairwise(times))
    assert ids == sorted(ids)
    assert ids[-1] > ids[0]


def test_the_service_outlives_a_camera_that_is_lost(monkeypatch):
    monkeypatch.setattr(capture, "FIRST_DELAY_S", 0.05)
    opened, told = [], []
    back = threading.Event()

    def camera() -> FrameSource:
        opened.append(1)
        if len(opened) == 1 or not back.is_set():
            if len(opened) > 1:
                raise SourceError("cannot open film.mp4: no such camera")
            return FrameSource("film.mp4", lost_after(3), live=True)
        return FrameSource("film.mp4", iter(list(frames(200))), live=True, timeout_s=5)

    def lost_after(count: int) -> Iterator[Frame]:
        yield from frames(count)
        raise SourceError("film.mp4 stopped: no frame came for 5 s")

    service = make_service(camera, told=lambda *news: told.append(news))
    service.start()
    try:
        wait_until(lambda: service.state.now[0] is Condition.WAITING and len(opened) > 2)
        assert service.state.now[1] == "cannot open film.mp4: no such camera"
        assert service.status()["people"] == 0
        assert not service.ready
        before = service.figures.snapshot().frames
        back.set()
        wait_until(lambda: service.figures.snapshot().frames > before)
    finally:
        service.stop()
    conditions = [condition for condition, _ in told]
    assert conditions.index(Condition.RUNNING) < conditions.index(Condition.WAITING)
    assert Condition.RUNNING in conditions[conditions.index(Condition.WAITING) :]


def test_what_an_engine_throws_is_a_state_and_not_the_end(monkeypatch, caplog):
    monkeypatch.setattr(capture, "FIRST_DELAY_S", 0.05)
    opened = []

    def source() -> FrameSource:
        opened.append(1)
        if len(opened) == 1:
            return FrameSource("film.mp4", iter([Frame("no picture", 0, 0.0)]))
        return film(30)

    service = make_service(source)
    published = collected(service)
    service.start()
    try:
        wait_until(lambda: published)
    finally:
        service.stop()


def test_while_paused_frames_pass_and_none_counts_as_dropped():
    service = make_service(lambda: film(300))
    service.start()
    try:
        wait_until(lambda: service.figures.snapshot().frames > 3)
        service.change({"paused": True})
        wait_until(lambda: service.state.now[0] is Condition.PAUSED)
        frames_then, dropped = service.figures.snapshot().frames, service.capture.dropped
        threading.Event().wait(0.3)
        assert service.figures.snapshot().frames == frames_then
        assert service.ready
        service.change({"paused": False})
        wait_until(lambda: service.figures.snapshot().frames > frames_then)
        assert service.capture.dropped <= dropped + 2
    finally:
        service.stop()


def test_the_least_confidence_changes_while_people_keep_their_ids():
    service = make_service(lambda: film(600))
    published = collected(service)
    service.start()
    try:
        wait_until(lambda: len(published) > 3)
        service.change({"min_score": 1.0})
        wait_until(lambda: not len(published[-1].poses))
        service.change({"min_score": 0.0})
        wait_until(lambda: len(published[-1].poses))
    finally:
        service.stop()


def test_another_model_takes_over_while_the_stream_goes_on():
    service = make_service(lambda: film(600))
    service.start()
    try:
        wait_until(lambda: service.figures.snapshot().frames > 1)
        first = service.models.current
        service.change({"model": "lrpose-s"})
        wait_until(lambda: service.models.current.name == "lrpose-s")
        before = service.figures.snapshot().frames
        wait_until(lambda: service.figures.snapshot().frames > before + 2)
        wait_until(lambda: _closed(first.estimator))
    finally:
        service.stop()


def test_of_several_wishes_for_a_model_the_last_one_is_heard(monkeypatch):
    service = make_service(lambda: film(600))
    for name in ("lrpose-s", "lrpose-m", "lrpose-s", "lrpose-n", "lrpose-s"):
        service.change({"model": name})
    try:
        wait_until(lambda: service.models.current.name == "lrpose-s")
        assert service.controls.model == "lrpose-s"
        # One that cannot be loaded leaves the one in use.
        monkeypatch.setattr(service.models, "_load", _no_such_model)
        service.change({"model": "lrpose-m"})
        wait_until(lambda: service.controls.model == "lrpose-s")
        assert service.models.current.name == "lrpose-s"
    finally:
        service.stop()


def _no_such_model(name: str):
    raise ModelFileMissingError(f"there is no model {name}")


def _closed(estimator) -> bool:
    try:
        estimator.predict(np.zeros((32, 32, 3), np.uint8))
    except RuntimeError:
        return True
    return False


def test_a_thread_that_does_nothing_for_long_counts_as_hanging(monkeypatch):
    monkeypatch.setattr(capture, "HANGING_S", 0.1)
    inside, go_on = threading.Event(), threading.Event()

    def hung() -> FrameSource:
        inside.set()
        go_on.wait(10)
        raise SourceError("gone")

    service = make_service(hung)
    loop = service.capture
    loop._options = replace(loop._options, timeout_s=0.1)
    service.start()
    try:
        assert inside.wait(5)
        wait_until(lambda: service.hangs)
        go_on.set()
        wait_until(lambda: not service.hangs)
    finally:
        go_on.set()
        service.stop()


def test_a_film_that_shows_one_picture_for_long_does_not_hang(monkeypatch):
    monkeypatch.setattr(capture, "HANGING_S", 0.1)
    service = make_service(lambda: film(2, fps=0.1))
    loop = service.capture
    loop._options = replace(loop._options, timeout_s=0.1)
    published = collected(service)
    service.start()
    try:
        wait_until(lambda: published)
        threading.Event().wait(0.6)
        assert not service.hangs
    finally:
        service.stop()


def test_the_count_of_dropped_frames_stands_still_while_paused():
    loop = make_service(lambda: film(1)).capture
    counts = SourceCounts()
    loop._source = replace(film(1), counts=counts)
    counts.dropped = 5
    paused = iter([True, True, False])
    seen = []

    def controls():
        counts.dropped += 10
        seen.append(loop.dropped)
        return Controls(paused=next(paused))

    loop._controls = controls
    loop._pause(PlayedFrames(film(1)))
    assert seen == [5, 5, 5]
    assert loop.dropped == 5
