"""Sources of frames, reading ahead, several frames at once, and the stream of an estimator."""

from __future__ import annotations

import json
import sys
import threading
import time

import cv2
import numpy as np
import pytest

from litepose_edge import COCO_17, Estimator
from litepose_edge.cli.app import run
from litepose_edge.errors import InvalidImageError, SourceError
from litepose_edge.geometry import Size
from litepose_edge.results import Poses
from litepose_edge.sources import (
    Frame,
    FrameSource,
    Reader,
    is_video,
    open_source,
    opening,
    read_image,
)
from litepose_edge.streaming import in_parallel, one_by_one

GREY = np.full((48, 64, 3), 90, np.uint8)
NO_PEOPLE = Poses.empty(COCO_17, Size(64, 48))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Forty frames that grow brighter, 10 a second."""
    path = tmp_path_factory.mktemp("clips") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for step in range(40):
        writer.write(np.full((48, 64, 3), 20 + 5 * step, np.uint8))
    writer.release()
    return path


@pytest.fixture(scope="module")
def people_picture(photographs):
    return read_image(photographs / "astronaut.png")


def frames_of(count, *, live=False, pause_s=0.0, opened=None):
    def make():
        try:
            for i in range(count):
                time.sleep(pause_s)
                yield Frame(GREY, i, i / 30)
        finally:
            if opened is not None:
                opened.append("closed")

    return FrameSource("a test", make(), live=live, count=count)


def test_a_video_gives_all_frames_in_order_with_their_times(clip):
    source = open_source(clip)
    assert (source.live, source.count, source.fps) == (False, 40, 10)
    frames = list(source.frames)
    assert [f.index for f in frames] == list(range(40))
    assert [f.timestamp_s for f in frames] == pytest.approx([i / 10 for i in range(40)], abs=0.02)
    brightness = [f.image.mean() for f in frames]
    assert brightness == sorted(brightness)


def test_images_folders_patterns_lists_and_arrays_are_sources(tmp_path):
    for name in ("b.png", "a.png", "c.jpg"):
        cv2.imwrite(str(tmp_path / name), GREY)
    (tmp_path / "notes.txt").write_text("no image")
    named = {
        tmp_path / "a.png": ["a.png"],
        tmp_path: ["a.png", "b.png", "c.jpg"],
        str(tmp_path / "*.png"): ["a.png", "b.png"],
    }
    for source, expected in named.items():
        opened = open_source(source)
        assert opened.count == len(expected)
        assert [f.name.split("/")[-1].split("\\")[-1] for f in opened.frames] == expected
    mixed = [GREY, tmp_path / "a.png"]
    assert [f.image.shape for f in open_source(mixed).frames] == [(48, 64, 3)] * 2
    assert len(list(open_source(GREY).frames)) == 1
    assert len(list(open_source(frame for frame in [GREY] * 3).frames)) == 3


@pytest.mark.parametrize("name", ["missing.mp4", "text.mp4", "empty.avi", "missing*.png"])
def test_what_cannot_be_opened_is_named(tmp_path, name):
    (tmp_path / "text.mp4").write_text("this is no video")
    (tmp_path / "empty.avi").write_bytes(b"")
    with pytest.raises(SourceError, match=name.replace("*", r"\*")):
        list(open_source(tmp_path / name).frames)


def test_a_video_that_breaks_off_says_so_after_its_last_good_frame(clip, tmp_path):
    broken = tmp_path / "broken.avi"
    content = clip.read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    seen = []
    with pytest.raises(SourceError, match=r"broken\.avi"):
        seen.extend(f.index for f in open_source(broken).frames)
    assert seen == list(range(len(seen)))
    assert 5 < len(seen) < 40


def test_frames_before_a_break_are_given_and_then_the_error():
    def breaks():
        yield from (Frame(GREY, i, i / 30) for i in range(5))
        raise SourceError("the camera was unplugged")

    for run_through in (
        lambda s: in_parallel(s, lambda f: NO_PEOPLE, 2),
        lambda s: one_by_one(s, lambda f: NO_PEOPLE),
    ):
        got = []
        with pytest.raises(SourceError, match="unplugged"):
            got.extend(r.index for r in run_through(FrameSource("a camera", breaks())))
        assert got == list(range(5))


@pytest.mark.parametrize("source", [3.5, None, True, object()])
def test_what_is_no_source_at_all_is_a_type_error(source):
    with pytest.raises(TypeError, match="a source is"):
        open_source(source)


def test_a_generator_may_fill_the_same_array_again_and_again():
    def filled():
        image = np.zeros((8, 8, 3), np.uint8)
        for shade in range(8):
            image[:] = shade
            yield image

    reader = Reader(open_source(filled()))
    shades = []
    for frame in reader:
        time.sleep(0.01)  # the reader runs ahead meanwhile
        shades.append(int(frame.image.max()))
    assert shades == list(range(8))


def test_a_stream_s_options_are_checked_before_its_source_is_opened(monkeypatch):
    opened = []
    monkeypatch.setattr(opening, "open_source", lambda *args, **more: opened.append(args))
    with Estimator("lrpose-n", threads=1, detector=None) as estimator:
        for options in ({"detect_every": 0}, {"detect_every": 5}):
            with pytest.raises(ValueError, match=r"detect_every|needs a detector"):
                estimator.stream(0, **options)
    assert not opened


def test_an_unknown_camera_is_one_clear_error():
    with pytest.raises(SourceError, match="camera 97"):
        open_source(97)


def test_a_command_line_tells_videos_from_images(clip, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), GREY)
    assert [is_video(str(s)) for s in (clip, "0", "rtsp://camera/1")] == [True] * 3
    assert [is_video(str(s)) for s in (tmp_path / "a.png", tmp_path, "no-such")] == [False] * 3


def test_a_file_waits_for_a_slow_consumer():
    reader = Reader(frames_of(30))
    time.sleep(0.1)
    assert [f.index for f in reader] == list(range(30))
    assert reader.dropped == 0
    reader.close()


def test_a_live_source_drops_the_oldest_for_a_slow_consumer():
    reader = Reader(frames_of(60, live=True, pause_s=0.002))
    seen = []
    for frame in reader:
        seen.append(frame.index)
        time.sleep(0.02)
    assert seen == sorted(seen)
    assert len(seen) < 40
    assert seen[-1] == 59
    assert reader.dropped == 60 - len(seen)


def test_closing_a_reader_early_closes_its_source():
    opened: list[str] = []
    reader = Reader(frames_of(1000, opened=opened))
    next(iter(reader))
    reader.close()
    reader.close()
    assert opened == ["closed"]


def test_results_keep_the_order_of_the_frames_whatever_worker_is_faster():
    def uneven(frame):
        time.sleep(0.02 if frame.index % 3 == 0 else 0.001)
        return NO_PEOPLE

    results = list(in_parallel(frames_of(30), uneven, 4))
    assert [r.index for r in results] == list(range(30))


def test_several_frames_are_under_way_at_once():
    together, most, lock = 0, 0, threading.Lock()

    def count(frame):
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        time.sleep(0.01)
        with lock:
            together -= 1
        return NO_PEOPLE

    list(in_parallel(frames_of(20), count, 3))
    assert most == 3


def test_a_camera_s_results_do_not_wait_for_further_frames():
    """With several workers one that is done would otherwise stay until the next frames came."""
    source = frames_of(4, live=True, pause_s=0.2)
    handed_out = [
        (time.monotonic(), r.index) for r in in_parallel(source, lambda frame: NO_PEOPLE, 4)
    ]
    assert [index for _, index in handed_out] == list(range(4))
    # One frame's time apart, and not all at the end.
    assert handed_out[-1][0] - handed_out[0][0] > 0.4


def test_a_slow_consumer_never_lets_results_pile_up():
    done = []
    for result in in_parallel(frames_of(40), lambda f: done.append(f.index) or NO_PEOPLE, 2):
        time.sleep(0.002)
        assert len(done) <= result.index + 4


@pytest.mark.parametrize("parallel", [True, False])
def test_stopping_early_leaves_no_thread_and_the_switch_interval_as_it_was(parallel):
    before, threads, opened = sys.getswitchinterval(), threading.active_count(), []
    source = frames_of(1000, opened=opened)
    stream = (
        in_parallel(source, lambda f: NO_PEOPLE, 2)
        if parallel
        else one_by_one(source, lambda f: NO_PEOPLE)
    )
    next(stream)
    assert sys.getswitchinterval() < before
    stream.close()
    assert sys.getswitchinterval() == pytest.approx(before)
    assert threading.active_count() == threads
    assert opened == ["closed"]


def test_an_error_in_a_frame_reaches_the_consumer():
    def fails(frame):
        if frame.index == 3:
            raise InvalidImageError("bad frame")
        return NO_PEOPLE

    got = []
    with pytest.raises(InvalidImageError):
        got.extend(r.index for r in in_parallel(frames_of(10), fails, 2))
    assert got == [0, 1, 2]


@pytest.mark.parametrize("detect_every", [None, 4])
def test_an_estimators_stream_gives_every_frame(clip, detect_every):
    with Estimator(threads=2) as estimator:
        results = list(estimator.stream(clip, detect_every=detect_every))
    assert [r.index for r in results] == list(range(40))
    assert all(r.poses.image_size == Size(64, 48) for r in results)
    assert all(len(r.poses) == 0 for r in results)
    assert all((r.poses.track_ids is None) == (detect_every is None) for r in results)


def test_a_stream_frame_for_frame_equals_predict(people_picture):
    frames = [people_picture, people_picture[:, ::-1].copy(), people_picture[40:].copy()] * 2
    with Estimator(threads=2) as estimator:
        streamed = [r.poses for r in estimator.stream(frames)]
        batch = estimator.predict_batch(frames)
        single = [estimator.predict(frame) for frame in frames]
    assert sum(map(len, single)) > 0
    for poses in zip(streamed, batch, single, strict=True):
        for other in poses[1:]:
            np.testing.assert_array_equal(poses[0].keypoints, other.keypoints)
            np.testing.assert_array_equal(poses[0].scores, other.scores)


def test_a_bad_frame_in_a_list_is_refused(clip):
    with Estimator(detector=lambda frame: []) as estimator:
        stream = estimator.stream([GREY, None])
        next(stream)
        with pytest.raises(InvalidImageError):
            next(stream)


def test_the_command_tracks_a_video_into_a_video_and_json_lines(clip, tmp_path, capsys):
    video, lines = tmp_path / "out.avi", tmp_path / "deep" / "out.jsonl"
    assert run(["predict", str(clip), "--save", str(video), "--json", str(lines)]) == 0
    documents = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [d["index"] for d in documents] == list(range(40))
    assert all(d["schema"] == 1 and d["people"] == [] for d in documents)
    assert len(list(open_source(video).frames)) == 40
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["out.avi", "out.jsonl"]
    capsys.readouterr()
    assert run(["predict", str(clip), "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 40


def test_the_command_explains_windows_and_wrong_names(clip, tmp_path, capsys):
    assert run(["predict", str(clip), "--save", str(tmp_path / "out.txt")]) == 1
    assert ".mp4" in capsys.readouterr().err
    if "GUI:                           NONE" in cv2.getBuildInformation():
        assert run(["predict", str(clip), "--show"]) == 3
        error = capsys.readouterr().err
        assert "--save" in error
        assert len(error.splitlines()) <= 2


def test_a_broken_video_keeps_the_lines_of_its_good_frames(clip, tmp_path, capsys):
    broken, lines = tmp_path / "broken.avi", tmp_path / "out.jsonl"
    content = clip.read_bytes()
    broken.write_bytes(content[: len(content) * 3 // 4])
    assert run(["predict", str(broken), "--json", str(lines)]) == 1
    assert "broken.avi" in capsys.readouterr().err
    assert 5 < len(lines.read_text().splitlines()) < 40
    assert not list(tmp_path.glob("*.part"))


def test_json_lines_of_images_go_into_a_file_too(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), GREY)
    assert run(["predict", str(tmp_path / "a.png"), "--json", str(tmp_path / "o.jsonl")]) == 0
    assert json.loads((tmp_path / "o.jsonl").read_text())["people"] == []
    assert capsys.readouterr().out == ""


def test_a_generator_of_rgb_frames_gives_the_same_people(photographs):
    astronaut = read_image(photographs / "astronaut.png")
    with Estimator(threads=1) as estimator:
        (here,) = estimator.stream([astronaut])
        (turned,) = estimator.stream((f[..., ::-1] for f in [astronaut]), colour="rgb")
    np.testing.assert_array_equal(turned.frame, astronaut)
    np.testing.assert_array_equal(turned.poses.keypoints, here.poses.keypoints)
