import json

import cv2
import httpx
import numpy as np
import pytest

from litepose_edge.cli.predict.film_writer import FilmWriter
from litepose_edge.serve.stream.recorder import Recorder
from litepose_edge.serve.stream.state import Condition
from litepose_edge.sources import FrameSource
from live_service import HEIGHT, WIDTH, film, make_service, running, wait_until


def test_the_page_and_its_files_are_there(client):
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    script = client.get("/page/app.js")
    assert script.headers["content-type"].startswith("text/javascript")
    again = client.get("/", headers={"if-none-match": page.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_status_says_how_the_stream_does(client):
    status = client.get("/v1/status").json()
    assert status["source"] == "film.mp4"
    assert status["state"] == "running"
    assert status["people"] == 1
    assert status["controls"]["model"] == "lrpose-n"
    assert status["controls"]["recording"] is False


def test_controls_change_and_the_answer_is_the_new_status(client):
    answer = client.post("/v1/control", json={"mirror": True, "detect_every": 5})
    assert answer.json()["controls"]["mirror"] is True
    assert answer.json()["controls"]["detect_every"] == 5
    client.post("/v1/control", json={"mirror": False, "detect_every": 10})


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b'{"min_score": 2}', "application/json", 422),
        (b'{"min_score": NaN}', "application/json", 422),
        (b"[]", "application/json", 422),
        (b"\xff", "application/json", 422),
        (b"[" * 4000, "application/json", 422),
        (b'{"paused": true}', "text/plain", 415),
        (b" " * 5000, "application/json", 413),
    ],
)
def test_a_wrong_body_is_a_typed_error(client, content, media_type, status):
    answer = client.post("/v1/control", content=content, headers={"content-type": media_type})
    assert answer.status_code == status
    assert isinstance(answer.json()["error"], str)


def test_a_snapshot_is_the_newest_frame_drawn_upon_if_asked(client):
    plain = client.post("/v1/snapshot")
    assert plain.headers["content-type"] == "image/jpeg"
    assert plain.headers["content-disposition"].startswith('attachment; filename="snapshot-')
    picture = cv2.imdecode(np.frombuffer(plain.content, np.uint8), 1)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert client.post("/v1/snapshot?drawn=1").content[:2] == b"\xff\xd8"
    assert client.post("/v1/snapshot?drawn=yes").status_code == 422


def test_recording_is_off_unless_allowed(client):
    assert client.post("/v1/record", json={"on": True}).status_code == 403


def test_health_is_not_readiness():
    def nothing() -> FrameSource:
        return FrameSource("film.mp4", iter(()))

    with running(make_service(nothing)) as found, httpx.Client(base_url=found.url) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").status_code == 503
        assert client.post("/v1/snapshot").status_code == 409
        wait_until(lambda: client.get("/v1/status").json()["state"] == "waiting")


def test_a_recording_begins_and_ends_and_is_whole(tmp_path):
    recorder = Recorder(tmp_path, FilmWriter, 60)
    service = make_service(lambda: film(600), recorder=recorder)
    with running(service) as found, httpx.Client(base_url=found.url, timeout=20) as client:
        wait_until(lambda: service.figures.snapshot().frames > 3)
        assert client.post("/v1/record", json={"on": True}).json()["controls"]["recording"] is True
        before = service.figures.snapshot().frames
        wait_until(lambda: service.figures.snapshot().frames > before + 5)
        ended = client.post("/v1/record", json={"on": False}).json()
        assert ended["controls"]["recording"] is False
        assert client.post("/v1/record", json={"on": "yes"}).status_code == 422
    (path,) = tmp_path.glob("*.mp4")
    assert cv2.VideoCapture(str(path)).grab()


def test_metrics_are_prometheus_text(client):
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    rows = [line for line in answer.text.splitlines() if not line.startswith("#")]
    figures = {}
    for row in rows:
        name, value = row.rsplit(" ", 1)
        figures[name] = float(value)
    assert figures["litepose_up"] == 1
    assert figures["litepose_frames_total"] > 0
    states = {name: value for name, value in figures.items() if name.startswith("litepose_state")}
    assert states.pop('litepose_state{state="running"}') == 1
    assert set(states.values()) == {0}
    assert len(states) == len(Condition) - 1
    assert (
        figures['litepose_latency_seconds_bucket{le="+Inf"}']
        == (figures["litepose_latency_seconds_count"])
    )
    named = {line.split(" ")[2] for line in answer.text.splitlines() if line.startswith("# TYPE")}
    bases = {name.partition("{")[0] for name in figures}
    histogram_parts = ("_bucket", "_sum", "_count")
    assert all(b in named or b.rsplit("_", 1)[0] in named for b in bases), histogram_parts


def test_the_openapi_document_is_json_and_names_every_path(client, open_service):
    document = json.loads(client.get("/openapi.json").content)
    named = {path for path in document["paths"]}
    assert named == set(open_service.answering.app._paths)
