import pytest

from litepose_edge.errors import SourceError
from litepose_edge.serve.stream.state import Condition, StreamState, safe_name, safe_reason


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("0", "camera 0"),
        ("/dev/video2", "video2"),
        ("/home/anna/secret/clip.mp4", "clip.mp4"),
        ("rtsp://anna:pass@10.0.0.7:554/live?token=abc", "rtsp://10.0.0.7:554/live"),
        ("https://10.0.0.7/film.mp4", "https://10.0.0.7/film.mp4"),
        ("file:///home/anna/clip.mp4", "clip.mp4"),
        ("gst:rtspsrc location=rtsp://anna:pass@10.0.0.7/", "GStreamer pipeline"),
    ],
)
def test_a_source_is_named_without_secrets_or_folders(source, name):
    assert safe_name(source) == name


@pytest.mark.parametrize(
    "source", ["rtsp://anna:pass@10.0.0.7/live?token=abc", "/home/anna/secret/clip.mp4"]
)
def test_a_reason_names_the_source_without_secrets_or_folders(source):
    shown = source.replace("anna:pass@", "")
    reason = safe_reason(SourceError(f"cannot open {shown}: no answer within 5 s"), source)
    assert reason == f"cannot open {safe_name(source)}: no answer within 5 s"


def test_a_condition_is_told_when_it_is_new():
    told = []
    state = StreamState(lambda *news: told.append(news))
    for _ in range(3):
        state.set(Condition.RUNNING)
    state.set(Condition.WAITING, "lost")
    assert told == [(Condition.RUNNING, None), (Condition.WAITING, "lost")]
    assert state.now == (Condition.WAITING, "lost")


def test_a_cameras_number_is_not_sought_in_other_numbers():
    reason = safe_reason(SourceError("cannot open camera 0: no answer within 10 s"), "0")
    assert reason == "cannot open camera 0: no answer within 10 s"


def test_a_malformed_url_has_a_name_too():
    assert safe_name("http://[cam/x") == "a malformed URL"
    assert "pass" not in safe_reason(SourceError("no http://a:pass@[cam/x"), "http://a:pass@[cam/x")
