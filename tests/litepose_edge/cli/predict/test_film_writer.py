"""Saved films last as long as what was seen, and are whole or not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.cli.app import run
from litepose_edge.cli.predict.film_writer import FilmWriter, film_rate, film_writer
from litepose_edge.errors import OutputError, SourceError
from litepose_edge.sources import Frame, FrameSource, open_source

RNG = np.random.default_rng(0)
SUFFIXES = [".mp4", ".mov", ".mkv", ".avi"]


def picture(level, size=(64, 48)):
    return np.full((size[1], size[0], 3), level, np.uint8)


@pytest.fixture(params=["PyAV", "OpenCV"])
def encoders(request, monkeypatch):
    if request.param == "PyAV":
        pytest.importorskip("av")
    else:
        monkeypatch.setitem(sys.modules, "av", None)
        monkeypatch.delitem(sys.modules, "litepose_edge.cli.predict.h264", raising=False)
    return request.param


def save(path, frames, fps):
    with film_writer(path, fps) as append:
        for image, timestamp_s in frames:
            append(image, timestamp_s)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def levels(path):
    return [frame.image.mean() for frame in open_source(path).frames]


@pytest.mark.usefixtures("encoders")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_constant_rate_is_written_frame_for_frame(tmp_path, suffix):
    film = tmp_path / f"film{suffix}"
    save(film, [(picture(10 * n), round(n / 29.97, 3)) for n in range(24)], 29.97)
    assert levels(film) == pytest.approx([10 * n for n in range(24)], abs=6)
    assert cv2.VideoCapture(str(film)).get(cv2.CAP_PROP_FPS) == pytest.approx(29.97, abs=0.01)
    assert names(tmp_path) == [film.name]


@pytest.mark.usefixtures("encoders")
def test_gaps_are_filled_and_bursts_thinned_so_that_times_are_kept(tmp_path):
    times = [0.0, 0.1, 0.11, 0.12, 0.5, 1.0, 1.04, 2.0]
    film = tmp_path / "film.mp4"
    save(film, [(picture(30 * n), 7 + t) for n, t in enumerate(times)], 10)
    shown = levels(film)
    assert len(shown) == 21
    for second in (0, 0.1, 0.5, 1.0, 2.0):
        assert shown[round(10 * second)] == pytest.approx(30 * times.index(second), abs=8)
    # What is repeated is the newest picture, also one that came too soon to be written.
    assert shown[4] == pytest.approx(30 * 3, abs=8)


@given(st.lists(st.floats(0.001, 0.4), min_size=1, max_size=40), st.sampled_from([5, 10, 25, 30]))
@settings(max_examples=40, deadline=None)
def test_a_film_lasts_as_long_as_its_times_to_half_a_frame(gaps, fps):
    written = []

    class Counter(FilmWriter):
        def __init__(self):
            self.rate, self._written, self._newest, self._encoder = fps, 0, None, self
            self._size, self._began_s = (64, 48), 0.0

        def _write(self, image):
            written.append(image)
            self._written += 1

    film, times = Counter(), np.cumsum([0, *gaps])
    for time_s in times:
        film.append(picture(0), float(time_s))
    assert abs(len(written) - 1 - times[-1] * fps) <= 0.5 + 1e-6


def test_an_hour_without_a_camera_is_not_written(tmp_path):
    film = tmp_path / "film.avi"
    save(film, [(picture(0), 0.0), (picture(9), 0.5), (picture(99), 3600), (picture(9), 3601)], 1)
    assert len(levels(film)) == 63


@pytest.mark.usefixtures("encoders")
@pytest.mark.parametrize("fps", [0.001, 1 / 3, 14.98533, 23.976023976, 59.9400599, 119.88, 999.9])
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_odd_rates_and_sizes_are_written(tmp_path, suffix, fps):
    film = tmp_path / f"film{suffix}"
    rate = film_rate(fps)
    save(film, [(picture(8 * n, (65, 47)), n / rate) for n in range(12)], fps)
    assert len(levels(film)) == 12


def test_rates_within_reach_of_an_encoder_hardly_change():
    for fps in (1, 12.5, 23.976, 25, 29.97, 30, 60, 119.88, 240):
        assert film_rate(fps) == pytest.approx(fps, rel=1e-4)


@pytest.mark.usefixtures("encoders")
def test_a_stream_that_changes_its_size_stays_one_film(tmp_path):
    film = tmp_path / "film.mp4"
    save(film, [(picture(200), 0.0), (picture(200, (96, 48)), 0.1), (picture(200), 0.2)], 10)
    assert [f.image.shape for f in open_source(film).frames] == [(48, 64, 3)] * 3


def test_h264_is_written_where_the_encoder_is(tmp_path):
    av = pytest.importorskip("av")
    save(tmp_path / "film.mp4", [(picture(n), n / 10) for n in range(10)], 10)
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert film.streams.video[0].codec_context.name == "h264"
        assert film.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_no_word_of_a_missing_encoder_reaches_the_user(tmp_path, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "litepose_edge.cli.predict.h264", raising=False)
    save(tmp_path / "film.mp4", [(picture(n), n / 10) for n in range(10)], 10)
    assert capfd.readouterr().err == ""
    assert len(levels(tmp_path / "film.mp4")) == 10


def breaks_off(pictures):
    for n, image in enumerate(pictures):
        yield image, n / 10
    raise SourceError("it broke off")


def test_what_breaks_off_keeps_its_frames_and_what_gave_none_the_old_film(tmp_path):
    film = tmp_path / "film.mp4"
    with pytest.raises(SourceError):
        save(film, breaks_off([picture(0)] * 2), 10)
    assert len(levels(film)) == 2
    before = film.read_bytes()
    with pytest.raises(SourceError):
        save(film, breaks_off([]), 10)
    assert film.read_bytes() == before
    assert names(tmp_path) == ["film.mp4"]


@pytest.mark.usefixtures("encoders")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_an_interrupt_while_a_frame_is_encoded_keeps_those_before(
    tmp_path, monkeypatch, number, after
):
    film, write, calls = tmp_path / "film.mp4", FilmWriter._write, []

    def interrupted(self, image):
        calls.append(image)
        if after or len(calls) < number:
            write(self, image)
        if len(calls) == number:
            raise KeyboardInterrupt

    monkeypatch.setattr(FilmWriter, "_write", interrupted)
    film.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        save(film, [(picture(0), n / 10) for n in range(9)], 10)
    assert names(tmp_path) == ["film.mp4"]
    if number == 1:
        assert film.read_bytes() == b"old"
    else:
        assert number - 1 <= len(levels(film)) <= number


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_film_that_is_not_whole_is_an_error_and_the_old_one_stays(tmp_path, suffix, monkeypatch):
    film = tmp_path / f"film{suffix}"
    film.write_bytes(b"the old one")
    noise = [RNG.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(20)]
    writer = FilmWriter(film, 10)
    for n, image in enumerate(noise):
        writer.append(image, n / 10)
    close = writer._encoder.close

    def cut():
        close()
        os.truncate(writer._partial, writer._partial.stat().st_size * 3 // 4)

    monkeypatch.setattr(writer._encoder, "close", cut)
    with pytest.raises(OutputError, match="does not hold"):
        writer.finish()
    assert film.read_bytes() == b"the old one"
    assert names(tmp_path) == [film.name]


@pytest.mark.usefixtures("encoders")
def test_a_folder_that_vanishes_is_an_error(tmp_path):
    folder = tmp_path / "deep"

    def frames():
        yield picture(0), 0.0
        shutil.rmtree(folder / "f")

    with pytest.raises(OutputError, match=r"film\.avi"):
        save(folder / "f" / "film.avi", frames(), 10)
    assert names(folder) == []


@pytest.mark.parametrize("name", ["film.txt", "film", "folder.mp4", "file/film.mp4"])
def test_a_wrong_target_is_refused_before_any_work(tmp_path, name):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot"):
        FilmWriter(tmp_path / name, 10)
    assert names(tmp_path) == ["file", "folder.mp4"]


def test_two_writers_of_one_film_leave_one_whole_film(tmp_path):
    film = tmp_path / "film.avi"
    jobs = [
        threading.Thread(target=save, args=(film, [(picture(n), n / 10) for n in range(30)], 10))
        for _ in range(2)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert len(levels(film)) == 30
    assert names(tmp_path) == ["film.avi"]


def with_sound(path, seconds, rate=25, late_s=0.0):
    """A film of a tone and of pictures that begin so much later."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as film:
        pictures, tone = film.add_stream("libx264", rate=rate), film.add_stream("aac", rate=44100)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        for n in range(seconds * rate):
            image = av.VideoFrame.from_ndarray(picture(n), format="bgr24")
            image.pts = n + round(late_s * rate)
            film.mux(pictures.encode(image))
        film.mux(pictures.encode())
        for _ in range(seconds * 44100 // 1024):
            samples = RNG.integers(-9999, 9999, (1, 2048), np.int16)
            part = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
            part.rate = 44100
            film.mux(tone.encode(part))
        film.mux(tone.encode())
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_sound_is_kept_on_request(tmp_path, suffix):
    av = pytest.importorskip("av")
    source = with_sound(tmp_path / "a b:c.mp4", 2)
    out = tmp_path / f"out{suffix}"
    assert run(["predict", str(source), "--save", str(out), "--sound"]) == 0
    with av.open(str(out)) as film:
        assert [s.type for s in film.streams] == ["video", "audio"]
        heard = [p.pts * p.time_base for p in film.demux(audio=0) if p.pts is not None]
    assert heard == sorted(heard)
    assert float(heard[0]) < 0.1
    assert 1.8 < float(heard[-1]) <= 2
    assert len(levels(out)) == 50
    assert run(["predict", str(source), "--save", str(out)]) == 0
    with av.open(str(out)) as film:
        assert [s.type for s in film.streams] == ["video"]


def test_sound_that_cannot_be_kept_is_said_before_any_work(tmp_path, clip, capsys, monkeypatch):
    pytest.importorskip("av")
    command = ["predict", str(clip), "--sound", "--save"]
    assert run([*command, str(tmp_path / "silent.mp4")]) == 0
    assert run([*command, str(tmp_path / "out.avi")]) == 1
    assert ".mp4" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "litepose_edge.cli.predict.h264", raising=False)
    assert run([*command, str(tmp_path / "out.mp4")]) == 3
    assert "litepose-edge[video]" in capsys.readouterr().err
    assert names(tmp_path) == ["clip.avi", "silent.mp4"]


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.avi"
    save(path, [(picture(5 * n), n / 10) for n in range(20)], 10)
    return path


def test_the_command_takes_the_options_of_live_sources(clip, tmp_path, capsys, monkeypatch):
    command = ["predict", str(clip), "--reconnect", "--timeout", "5", "--no-drop", "--drop"]
    assert run([*command, "--save", str(tmp_path / "out.mp4")]) == 0
    assert len(levels(tmp_path / "out.mp4")) == 20
    for value in ("0", "nan", "inf"):
        assert run(["predict", str(clip), "--timeout", value]) == 2
    given = {}

    def live(source, **options):
        given.update(options)
        frames = (Frame(picture(0), n, n / 10) for n in range(20))
        opened = FrameSource(source, frames, live=True, drop=options["drop"])
        opened.counts.unreadable, opened.counts.reconnected = 3, 1
        return opened

    monkeypatch.setattr("litepose_edge.cli.predict.films.open_source", live)
    capsys.readouterr()
    assert run(["predict", "0", "--json", "--no-drop", "--reconnect", "--timeout", "2.5"]) == 0
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 20
    assert "20 frames" in output.err
    assert "3 unreadable, 1 reconnected" in output.err
    assert {k: given[k] for k in ("reconnect", "timeout_s", "drop")} == {
        "reconnect": True,
        "timeout_s": 2.5,
        "drop": False,
    }


def test_max_pixels_holds_for_videos_on_the_command_line(clip, capsys):
    assert run(["predict", str(clip), "--max-pixels", "1000"]) == 1
    assert "max_pixels" in capsys.readouterr().err
    assert run(["predict", str(clip), "--max-pixels", str(64 * 48)]) == 0


@pytest.mark.slow
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="mounts a file system")
@pytest.mark.usefixtures("encoders")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, suffix):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=True)
    try:
        noise = [RNG.integers(0, 255, (240, 320, 3), np.uint8) for _ in range(60)]
        with pytest.raises(OutputError, match="cannot write"):
            save(disk / f"film{suffix}", [(image, n / 10) for n, image in enumerate(noise)], 10)
        assert names(disk) == []
        save(disk / f"film{suffix}", [(picture(n), n / 10) for n in range(10)], 10)
        assert len(levels(disk / f"film{suffix}")) == 10
    finally:
        subprocess.run(["umount", str(disk)], check=True)
