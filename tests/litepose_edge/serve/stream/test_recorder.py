import threading
from datetime import datetime, timezone

import cv2
import numpy as np
import pytest

from litepose_edge import COCO_17, Poses, Size
from litepose_edge.cli.predict.film_writer import FilmWriter
from litepose_edge.errors import OutputError
from litepose_edge.serve.stream import recorder
from litepose_edge.serve.stream.recorder import MOST_WAITING, Recorder
from litepose_edge.serve.stream.results import Treated


def treated(index: int) -> Treated:
    image = np.full((48, 64, 3), 100, np.uint8)
    return Treated(image, Poses.empty(COCO_17, Size(64, 48)), index, index / 10, 0.0)


class SlowFilm:
    """Waits until it may go on."""

    def __init__(self) -> None:
        self.go_on, self.times, self.finished = threading.Event(), [], threading.Event()

    def append(self, image, timestamp_s) -> None:
        self.go_on.wait(5)
        self.times.append(timestamp_s)

    def finish(self) -> None:
        self.finished.set()


def test_a_recording_is_a_film_named_after_its_time(tmp_path):
    recording = Recorder(tmp_path / "films", FilmWriter, 60)
    recording.take(treated(0))  # before the beginning: not in it
    recording.start(10.0)
    assert recording.recording
    recording.start(10.0)  # twice is once
    for index in range(5):
        recording.take(treated(index))
    recording.stop(timeout_s=20)
    assert not recording.recording
    assert recording.problem is None
    (film,) = (tmp_path / "films").iterdir()
    assert film.suffix == ".mp4"
    assert film.name[:2] == "20"
    capture = cv2.VideoCapture(str(film))
    assert sum(capture.grab() for _ in range(10)) == 5


def test_two_films_of_one_second_have_two_names(tmp_path, monkeypatch):
    class Clock:
        @staticmethod
        def now():
            return datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)

    monkeypatch.setattr(recorder, "datetime", Clock)
    recording = Recorder(tmp_path, FilmWriter, 60)
    for _ in range(3):
        recording.start(10.0)
        recording.take(treated(0))
        recording.stop(timeout_s=20)
    names = [path.name[10:] for path in sorted(tmp_path.iterdir())]
    assert len(names) == 3
    assert sorted(len(name) for name in names) == [13, 15, 15]


def test_whatever_an_encoder_raises_ends_the_recording_and_is_told(tmp_path, caplog):
    class BrokenFilm(SlowFilm):
        def append(self, image, timestamp_s):
            raise ZeroDivisionError("inside the encoder")

    film = BrokenFilm()
    recording = Recorder(tmp_path, lambda path, fps: film, 60)
    recording.start(10.0)
    recording.take(treated(0))
    assert film.finished.wait(5)
    recording.stop(timeout_s=5)
    assert not recording.recording
    assert "see the log" in recording.problem
    assert "inside the encoder" in caplog.text


def test_nothing_is_left_of_a_recording_without_frames(tmp_path):
    recording = Recorder(tmp_path, FilmWriter, 60)
    recording.start(10.0)
    recording.stop(timeout_s=20)
    assert list(tmp_path.iterdir()) == []


def test_a_slow_disk_costs_frames_of_the_film_and_no_time_of_the_stream(tmp_path):
    film = SlowFilm()
    recording = Recorder(tmp_path, lambda path, fps: film, 60)
    recording.start(10.0)
    for index in range(50):
        recording.take(treated(index))
    film.go_on.set()
    recording.stop(timeout_s=10)
    assert film.finished.is_set()
    assert len(film.times) <= MOST_WAITING + 1


def test_a_recording_ends_by_itself(tmp_path):
    film = SlowFilm()
    film.go_on.set()
    recording = Recorder(tmp_path, lambda path, fps: film, 1.0)
    recording.start(10.0)
    for index in (0, 5, 20, 21):
        recording.take(treated(index))
    assert film.finished.wait(5)
    recording.stop(timeout_s=5)
    assert film.times == [0.0, 0.5]


def test_a_disk_without_room_is_said_at_once_and_while_recording(tmp_path, monkeypatch):
    recording = Recorder(tmp_path, FilmWriter, 60)
    recording.start(10.0)
    recording.take(treated(0))
    monkeypatch.setattr(recorder, "LEAST_FREE_BYTES", 1 << 60)
    recording.take(treated(1))
    recording.stop(timeout_s=20)
    assert "MB left" in recording.problem
    with pytest.raises(OutputError, match="make room first"):
        recording.start(10.0)
    assert not recording.recording


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Recorder(tmp_path / "file" / "films", FilmWriter, 60).start(10.0)


def test_a_recording_ends_by_itself_where_no_frames_come_any_more(tmp_path):
    film = SlowFilm()
    film.go_on.set()
    recording = Recorder(tmp_path, lambda path, fps: film, 0.2)
    recording.start(10.0)
    recording.take(treated(0))
    assert film.finished.wait(5)
    recording.stop(timeout_s=5)
    assert not recording.recording
    assert film.times == [0.0]
