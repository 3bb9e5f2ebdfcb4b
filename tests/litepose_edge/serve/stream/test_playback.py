import itertools
import threading
import time
from dataclasses import replace

from litepose_edge.serve.stream.playback import PlayedFrames, played
from live_service import film


def test_a_film_is_played_at_its_own_rate():
    frames = PlayedFrames(film(6, fps=20))
    came = [frame.came_s for frame in frames]
    gaps = [later - earlier for earlier, later in itertools.pairwise(came)]
    assert len(came) == 6
    assert sum(gaps) > 0.24  # how much later depends on what else runs here


def test_a_camera_is_not_held_back():
    frames = PlayedFrames(replace(film(6, fps=0.1), live=True))
    began = time.monotonic()
    assert len(list(frames)) == 6
    assert time.monotonic() - began < 10


def test_a_played_film_counts_as_live_so_that_late_frames_are_dropped():
    source = film(3)
    assert played(source).live
    assert played(source).counts is source.counts


def test_a_film_that_was_held_goes_on_where_it_stood_at_its_own_rate():
    frames = PlayedFrames(film(4, fps=20))
    first = next(frames)
    frames.hold()
    threading.Timer(0.3, frames.go_on).start()
    second, third = next(frames), next(frames)
    assert [frame.index for frame in (first, second, third)] == [0, 1, 2]
    assert second.came_s - first.came_s > 0.25
    assert third.came_s > second.came_s + 0.02


def test_a_wait_for_the_next_frame_can_be_ended_from_another_thread():
    frames = PlayedFrames(film(2, fps=0.01))
    next(frames)
    threading.Timer(0.1, frames.interrupt).start()
    began = time.monotonic()
    next(frames)
    assert time.monotonic() - began < 5


def test_a_film_says_until_when_it_waits_for_a_picture():
    frames = PlayedFrames(film(2, fps=0.01))
    next(frames)
    assert frames.due_s <= time.monotonic()
    waiting = threading.Thread(target=lambda: next(frames), daemon=True)
    waiting.start()
    deadline = time.monotonic() + 5
    while frames.due_s == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert 90 < frames.due_s - time.monotonic() < 100
    frames.interrupt()
    waiting.join(5)
    assert not waiting.is_alive()
