import contextlib
import json

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from live_service import HEIGHT, TOKEN, WIDTH, film, make_service, running, wait_until


def test_a_viewer_gets_hello_and_status_then_poses_each_with_its_picture(open_service):
    with connect(f"{open_service.socket_url}/v1/live") as viewer:
        hello, status = json.loads(viewer.recv(10)), json.loads(viewer.recv(10))
        assert hello["type"] == "hello"
        assert hello["skeleton"]["keypoint_names"][0] == "nose"
        assert [5, 7] in hello["skeleton"]["bones"]
        assert 5 in hello["skeleton"]["left"]
        assert 6 in hello["skeleton"]["right"]
        assert hello["models"] == ["lrpose-n", "lrpose-s", "lrpose-m"]
        assert hello["min_keypoint_score"] == 0.3
        assert hello["allow_record"] is False
        assert status["type"] == "status"
        poses = None
        for _ in range(8):
            message = viewer.recv(10)
            if isinstance(message, bytes):
                assert int.from_bytes(message[:4], "little") == poses["index"]
                assert message[4:6] == b"\xff\xd8"
                viewer.send(json.dumps({"type": "seen", "index": poses["index"]}))
                break
            document = json.loads(message)
            poses = document if document["type"] == "poses" else poses
        else:
            pytest.fail("no picture came")
        assert poses["image"] == {"width": WIDTH, "height": HEIGHT}
        assert len(poses["people"][0]["keypoints"]) == 17
    figures = open_service.service.figures
    wait_until(lambda: sum(figures.viewer_latency.counts) > 0)


def test_without_video_no_picture_is_made(open_service):
    wait_until(lambda: open_service.service.hub.viewers == 0)
    encoded = open_service.service.hub.encoded
    with connect(f"{open_service.socket_url}/v1/live?video=0") as viewer:
        messages = [viewer.recv(10) for _ in range(8)]
    assert all(isinstance(message, str) for message in messages)
    assert open_service.service.hub.encoded == encoded


def test_the_stream_of_poses_has_poses_alone(open_service):
    with connect(f"{open_service.socket_url}/v1/stream") as viewer:
        messages = [json.loads(viewer.recv(10)) for _ in range(4)]
    assert {message["type"] for message in messages} == {"poses"}
    assert sorted({m["index"] for m in messages}) == [m["index"] for m in messages]


def test_events_are_poses_one_line_each(open_service):
    found = []
    with httpx.stream("GET", f"{open_service.url}v1/stream", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
            if len(found) == 3:
                break
    assert [document["type"] for document in found] == ["poses"] * 3
    assert httpx.head(f"{open_service.url}v1/stream").status_code == 200
    wait_until(lambda: open_service.service.hub.viewers == 0)


@pytest.mark.parametrize(
    "message", ["hello", "{}", '{"type":"seen","index":"a"}', '{"type":"other"}', b"\x00\xff", ""]
)
def test_what_is_no_message_ends_the_connection_with_a_reason(open_service, message):
    with connect(f"{open_service.socket_url}/v1/live?video=0") as viewer:
        viewer.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            states_until_the_end(viewer)
    assert closed.value.rcvd.code == 1008
    assert "seen" in closed.value.rcvd.reason


def test_too_long_and_too_many_messages_end_the_connection(open_service):
    seen = json.dumps({"type": "seen", "index": 1})
    for messages in ([seen + " " * 2000], [seen] * 500):
        with connect(f"{open_service.socket_url}/v1/live?video=0") as viewer:
            with contextlib.suppress(ConnectionClosed):
                for message in messages:
                    viewer.send(message)
            with pytest.raises(ConnectionClosed):
                states_until_the_end(viewer)


def test_pings_without_end_are_no_viewer(open_service):
    with connect(f"{open_service.socket_url}/v1/live?video=0") as viewer:
        with contextlib.suppress(ConnectionClosed):
            for number in range(1000):
                viewer.ping(f"{number:0120}")
        with pytest.raises(ConnectionClosed):
            states_until_the_end(viewer)


def states_until_the_end(viewer, states: list[str] | None = None) -> None:
    while True:
        message = json.loads(viewer.recv(20))
        if message["type"] == "status" and states is not None:
            states.append(message["state"])


def refused(url: str, **options) -> int:
    with pytest.raises(InvalidStatus) as refusal, connect(url, **options):
        pass
    assert "error" in json.loads(refusal.value.response.body)
    return refusal.value.response.status_code


def test_pages_of_other_origins_and_names_get_no_stream(open_service):
    url = f"{open_service.socket_url}/v1/live"
    assert refused(url, origin="http://evil.example") == 403
    assert refused(url, additional_headers={"Origin": "null"}) == 403
    with connect(url, origin=open_service.url.rstrip("/")) as viewer:
        assert viewer.recv(10)
    assert refused(f"{open_service.socket_url}/v1/nothing") == 404
    assert refused(f"{url}?video=2") == 422


def test_a_viewer_needs_the_token(locked_service):
    url = f"{locked_service.socket_url}/v1/live"
    assert refused(url) == 401
    assert refused(url, additional_headers={"Authorization": "Bearer wrong"}) in (401, 429)
    with connect(url, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as viewer:
        assert viewer.recv(10)


def test_hello_comes_again_with_another_model():
    service = make_service(lambda: film(3000))
    with running(service) as found, connect(f"{found.socket_url}/v1/live?video=0") as viewer:
        wait_until(lambda: service.hub.newest is not None)
        httpx.post(f"{found.url}v1/control", json={"model": "lrpose-s"}, timeout=20)
        hellos = 0
        for _ in range(400):
            hellos += json.loads(viewer.recv(10))["type"] == "hello"
            if hellos == 2:
                break
    assert hellos == 2


def test_viewers_hear_of_the_end():
    service = make_service(lambda: film(4), once=True)
    states: list[str] = []
    with (
        running(service) as found,
        connect(f"{found.socket_url}/v1/live?video=0") as viewer,
        pytest.raises(ConnectionClosed) as end,
    ):
        states_until_the_end(viewer, states)
    assert end.value.rcvd.code in (1001, 1012)
    assert states[-1] == "ended"
