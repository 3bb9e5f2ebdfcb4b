import asyncio
import json
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from litepose_edge import COCO_17, Poses, Size
from litepose_edge.serve.stream.figures import StreamFigures
from litepose_edge.serve.stream.hub import MOST_UNSEEN, Hub
from litepose_edge.serve.stream.results import EncodingError, Treated, jpeg, poses_text


def treated(index: int = 0, people: int = 1) -> Treated:
    image = np.full((40, 60, 3), 7 + index % 200, np.uint8)
    poses = Poses(
        keypoints=np.full((people, 17, 2), 12.3456, np.float32),
        scores=np.full((people, 17), 0.5, np.float32),
        boxes_xyxy=np.tile(np.array([1, 2, 30, 39], np.float32), (people, 1)),
        person_scores=np.full(people, 0.75, np.float32),
        skeleton=COCO_17,
        image_size=Size(60, 40),
        track_ids=np.arange(1, people + 1),
    )
    return Treated(image, poses, index, index / 30, time.monotonic())


def in_a_loop(scenario, pictures_per_s: float = 1e6) -> None:
    async def body():
        hub = Hub(StreamFigures(), 80, pictures_per_s)
        hub.start(asyncio.get_running_loop())
        try:
            await asyncio.wait_for(scenario(hub), 10)
        finally:
            hub.close()

    asyncio.run(body())


def test_poses_are_finite_json_of_three_decimals():
    document = json.loads(poses_text(treated(5)))
    assert document["index"] == 5
    assert document["image"] == {"width": 60, "height": 40}
    assert document["people"][0]["track_id"] == 1
    assert document["people"][0]["keypoints"][3] == [12.346, 12.346, 0.5]


def test_a_picture_is_the_frame_and_what_cannot_be_one_is_a_typed_error():
    assert cv2.imdecode(np.frombuffer(jpeg(treated().image, 90), np.uint8), 1).shape == (40, 60, 3)
    with pytest.raises(EncodingError, match="JPEG"):
        jpeg(np.zeros((1, 70_000, 3), np.uint8), 90)


def test_without_viewers_nothing_is_encoded():
    async def scenario(hub: Hub) -> None:
        for index in range(5):
            hub.publish(treated(index))
        await asyncio.sleep(0.05)
        assert hub.encoded == 0
        assert hub.newest.index == 4

    in_a_loop(scenario)


def test_viewers_of_poses_alone_have_nothing_encoded():
    async def scenario(hub: Hub) -> None:
        viewer = hub.join(video=False)
        hub.publish(treated(3))
        parts = await viewer.next()
        assert [json.loads(part)["index"] for part in parts] == [3]
        assert hub.encoded == 0

    in_a_loop(scenario)


def test_one_encoding_serves_all_viewers():
    async def scenario(hub: Hub) -> None:
        viewers = [hub.join(video=True) for _ in range(16)]
        hub.publish(treated(9))
        got = [await viewer.next() for viewer in viewers]
        assert hub.encoded == 1
        assert all(part is got[0][1] for _, part in got)
        index, picture = got[0][1][:4], got[0][1][4:]
        assert int.from_bytes(index, "little") == 9
        assert picture[:2] == b"\xff\xd8"

    in_a_loop(scenario)


def test_a_slow_viewer_finds_the_newest_frame_and_keeps_no_others_waiting():
    async def scenario(hub: Hub) -> None:
        slow, quick = hub.join(video=False), hub.join(video=False)
        for index in range(4):
            hub.publish(treated(index))
            assert json.loads((await quick.next())[0])["index"] == index
        assert json.loads((await slow.next())[0])["index"] == 3

    in_a_loop(scenario)


def test_a_viewer_behind_gets_nothing_newer_until_it_has_seen():
    async def scenario(hub: Hub) -> None:
        viewer = hub.join(video=True)
        hub.publish(treated(0))
        await viewer.next()
        viewer.seen(0)
        pictures = []
        for index in range(1, 8):
            hub.publish(treated(index))
            parts = await viewer.next(0.2)
            pictures.append(len(parts) == 2)
            if parts:
                assert json.loads(parts[0])["index"] == index
        assert pictures == [True] * (MOST_UNSEEN + 1) + [False] * (7 - MOST_UNSEEN - 1)
        encoded = hub.encoded
        assert encoded == MOST_UNSEEN + 2  # none for a viewer that takes none
        viewer.seen(7)
        hub.publish(treated(8))
        assert len(await viewer.next()) == 2

    in_a_loop(scenario)


def test_pictures_are_no_more_than_so_many_a_second_and_other_viewers_get_every_frame():
    async def scenario(hub: Hub) -> None:
        viewer, listener = hub.join(video=True), hub.join(video=False)
        pictures, poses = [], []
        for index in range(6):
            # Thirty frames a second by their own clock, however fast this runs.
            hub.publish(replace(treated(index), came_s=index / 30))
            poses += await listener.next()
            pictures.append(len(await viewer.next(0.1)))
        assert pictures == [2, 0] * 3
        assert [json.loads(text)["index"] for text in poses] == [0, 1, 2, 3, 4, 5]
        newcomer = hub.join(video=True)
        assert len(await newcomer.next()) == 2  # waits for no turn

    in_a_loop(scenario, pictures_per_s=15)


def test_a_viewer_that_never_says_what_it_saw_gets_every_picture_it_takes():
    async def scenario(hub: Hub) -> None:
        viewer = hub.join(video=True)
        for index in range(10):
            hub.publish(treated(index))
            assert len(await viewer.next()) == 2

    in_a_loop(scenario)


def test_what_stands_still_is_seen_by_whoever_joins():
    async def scenario(hub: Hub) -> None:
        hub.publish(treated(7))
        viewer = hub.join(video=True)
        assert json.loads((await viewer.next())[0])["index"] == 7

    in_a_loop(scenario)


def test_status_goes_to_those_who_want_it_the_newest_first_of_all():
    async def scenario(hub: Hub) -> None:
        page, plain = hub.join(video=False, status=True), hub.join(video=False)
        hub.tell_status("one")
        hub.tell_status("two")
        hub.publish(treated(1))
        await asyncio.sleep(0.05)
        assert [part[:3] for part in await page.next()] == ["two", '{"t']
        assert len(await plain.next()) == 1

    in_a_loop(scenario)


def test_a_closed_hub_ends_its_viewers():
    async def scenario(hub: Hub) -> None:
        viewer = hub.join(video=True)
        hub.close()
        assert await viewer.next() is None

    in_a_loop(scenario)


def test_after_its_patience_a_viewer_has_nothing():
    async def scenario(hub: Hub) -> None:
        assert await hub.join(video=True).next(0.01) == []

    in_a_loop(scenario)


def test_whoever_joins_repeats_nothing_for_the_others():
    async def scenario(hub: Hub) -> None:
        first = hub.join(video=False)
        hub.publish(treated(7))
        assert json.loads((await first.next())[0])["index"] == 7
        for video in (False, True):
            joined = hub.join(video=video)
            assert json.loads((await joined.next())[0])["index"] == 7
        assert await first.next(patience_s=0.05) == []
        hub.publish(treated(8))
        assert json.loads((await first.next())[0])["index"] == 8

    in_a_loop(scenario)
