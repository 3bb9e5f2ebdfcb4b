"""The page and the real server, with a film in which everything that is found is known."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

import serve_known_film
from chromium import Chromium, Page
from litepose_edge.drawing import palette
from paths import ROOT

pytestmark = pytest.mark.slow

STATE = "document.getElementById('state-text').textContent"
TOKEN = "a-token-of-the-tests"
BAR_MS = 150  # issue 35: frame to browser on loopback beyond inference, 95th percentile
ROUNDS = 5
MOST_LOAD = 1.5  # a processor


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return serve_known_film.write_film(tmp_path_factory.mktemp("films") / "known.avi")


@contextmanager
def serving(film: Path, *more: str, port: int = 0) -> Iterator[tuple[subprocess.Popen, str]]:
    command = [sys.executable, serve_known_film.__file__, str(film), "--port", str(port), *more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def address(film: Path) -> Iterator[str]:
    """Where one process answers for several tests."""
    with serving(film) as (_, found):
        yield found


@pytest.fixture
def page(browser: Chromium) -> Iterator[Page]:
    with browser.page(viewport={"width": 1000, "height": 800}) as page:
        yield page


def visit(page: Page, address: str) -> None:
    page.run("await page.goto(given.address)", address=address)
    usual = '{"paused": false, "mirror": false, "min_score": 0.3}'
    page.evaluate(f"""fetch("v1/control", {{
      method: "POST", headers: {{ "Content-Type": "application/json" }}, body: '{usual}',
    }}).then(() => true)""")
    page.wait_for(f"{STATE} === 'Live' && notice.hidden")


# For each of the next frames: its keypoints, and what the canvas shows in that moment. Where the
# square of the picture lies is measured without layers, and that it is covered with them.
WATCH = """(count) => new Promise((done) => {
  const canvas = document.getElementById("picture");
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const found = [];
  canvas.addEventListener("shown", ({ detail }) => {
    if (found.length >= count) return;
    const { width, height } = canvas;
    const { data } = pen.getImageData(0, 0, width, height);
    let [n, x, y] = [0, 0, 0];
    for (let i = 0; i < data.length; i += 4) {
      if (data[i] > 180 && data[i + 1] < 90 && data[i + 2] > 180) {
        n++;
        x += (i / 4) % width;
        y += Math.floor(i / 4 / width);
      }
    }
    found.push({ size: [width, height], square: [x / n, y / n], ...detail });
    if (found.length === count) done(found);
  });
})"""


# The same without looking at pixels, which takes longer than all else.
TIMES = """(count) => new Promise((done) => {
  const found = [];
  document.getElementById("picture").addEventListener("shown", ({ detail }) => {
    if (found.push(detail) === count) done(found);
  });
})"""


def on_canvas(size: list[int], point: list[float], *, mirrored: bool = False) -> np.ndarray:
    """Where a place in the picture is to lie, by arithmetic of this test's own."""
    wide, high = size
    scale = min(wide / serve_known_film.WIDTH, high / serve_known_film.HEIGHT)
    x, y = (np.array(point[:2]) + 0.5) * scale
    if mirrored:
        x = serve_known_film.WIDTH * scale - x
    left = (wide - serve_known_film.WIDTH * scale) / 2
    top = (high - serve_known_film.HEIGHT * scale) / 2
    return np.array([left + x, top + y])


def shown(page: Page, count: int = 10) -> list[dict]:
    return page.evaluate(f"({WATCH})({count})")


def test_skeletons_lie_on_the_people_of_their_own_frame(page, address):
    visit(page, address)
    for name in ("skeletons", "boxes", "ids", "trails"):
        page.run("await page.uncheck(`.layers input[name=${given.name}]`)", name=name)
    frames = shown(page)
    page.run("await page.check('#mirror')")
    page.wait_for("!document.querySelector('[aria-busy]')")
    mirrored = [frame for frame in shown(page, 14) if frame["mirror"]]
    assert mirrored
    for frame in [*frames, *mirrored]:
        nose = frame["people"][0]["keypoints"][0]
        place = on_canvas(frame["size"], nose, mirrored=frame["mirror"])
        # The square moves by 5 pixels from frame to frame.
        assert np.abs(place - 0.5 - frame["square"]).max() < 1.5
    # With skeletons the square of the same frame is under the nose's dot.
    page.run("await page.check('.layers input[name=skeletons]')")
    page.run("await page.uncheck('#mirror'); await page.click('#pause')")
    page.wait_for(f"{STATE} === 'Paused'")
    page.run("await page.check('.layers input[name=boxes]')")
    shown_at_once, person = page.evaluate("""new Promise((done) => {
      const canvas = document.getElementById("picture");
      const look = ({ detail }) => done([canvas.toDataURL(), detail.people[0]]);
      canvas.addEventListener("shown", look, { once: true });
      document.querySelector(".layers input[name=video]").click();
    })""")
    png = base64.b64decode(shown_at_once.partition(",")[2])
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)
    size = [picture.shape[1], picture.shape[0]]
    x, y = on_canvas(size, person["keypoints"][0]).astype(int)
    assert picture[y, x].tolist() == [255, 255, 255]
    # A box's edge may share itself between two pixels: together they have all of its colour.
    x1, _, _, _ = person["box_xyxy"]
    x, y = on_canvas(size, [x1, person["keypoints"][7][1]]).astype(int)
    row = picture[y, x - 4 : x + 5]
    shares = (row - row[0]) / (palette.PEOPLE[person["track_id"] % 10] - row[0])
    assert np.ptp(shares, axis=1).max() < 0.1
    assert shares.mean(axis=1).sum() > 0.9
    assert page.errors() == []


def test_controls_reach_the_real_server(page, address):
    visit(page, address)
    page.wait_for("document.querySelectorAll('#people-rows tr').length === 1")
    page.run("await page.fill('#min-score', '0.95')")
    page.wait_for("!document.getElementById('people-none').hidden && count.textContent === '0'")
    page.run("await page.fill('#min-score', '0.3')")
    page.wait_for("count.textContent === '1'")
    page.run("await page.check('#models input[value=lrpose-n]', { force: true })")
    page.run("await page.fill('#detect-every', '4'); await page.keyboard.press('Enter')")
    page.wait_for("!document.querySelector('[aria-busy]')")
    controls = "fetch('v1/status').then((answer) => answer.json()).then((s) => s.controls)"
    found = page.evaluate(controls)
    assert (found["model"], found["detect_every"], found["min_score"]) == ("lrpose-n", 4, 0.3)
    name, start = page.run("""
      const waiting = page.waitForEvent("download");
      await page.click("#snapshot");
      const download = await waiting;
      const parts = [];
      for await (const part of await download.createReadStream()) parts.push(part);
      const start = Buffer.concat(parts).toString("base64").slice(0, 4);
      return [download.suggestedFilename(), start];
    """)
    assert name.endswith(".jpg")
    assert start == "/9j/"
    assert page.evaluate("record.hidden")
    assert float(page.evaluate("fps.textContent")) > 0
    own = (address, address.replace("http", "ws"), "blob:" + address)
    assert [asked for asked in page.requests() if not asked.startswith(own)] == []
    assert page.errors() == []


def test_a_snapshot_is_coloured_as_the_page_is(page, address):
    def snapshot(query: str) -> np.ndarray:
        text = page.evaluate(f"""fetch("v1/snapshot{query}", {{ method: "POST" }})
          .then((answer) => answer.arrayBuffer())
          .then((bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))))""")
        return cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)

    visit(page, address)
    page.run("await page.click('#pause')")
    page.wait_for(f"{STATE} === 'Paused' && !document.querySelector('[aria-busy]')")
    name = page.evaluate("document.querySelector('.name').textContent")
    nose = serve_known_film.KnownPeople().predict(snapshot("")).keypoints[0, 0]
    between = serve_known_film.OFFSETS[[5, 7]].mean(axis=0)  # of the left upper arm's ends
    column, row = np.round(nose + between).astype(int)
    for palette_name, colour in (
        ("side", palette.LEFT),
        ("person", palette.PEOPLE[int(name[1:]) % 10]),
    ):
        drawn = snapshot(f"?drawn=1&palette={palette_name}")
        assert drawn[row, column].tolist() == pytest.approx(colour, abs=30)
    status = 'fetch("v1/snapshot?palette=pink", {method: "POST"}).then(({status}) => status)'
    assert page.evaluate(status) == 422


def test_the_page_outlives_a_killed_server_and_asks_for_its_token(page, film):
    with serving(film) as (process, address):
        visit(page, address)
        process.send_signal(signal.SIGKILL)
        page.wait_for(f"{STATE} === 'Connection lost'")
    port = int(address.rstrip("/").rsplit(":", 1)[1])
    with serving(film, port=port):
        page.wait_for(f"{STATE} === 'Live' && notice.hidden")
        shown(page, 2)
    with serving(film, "--token", TOKEN, port=port):
        page.wait_for("!login.hidden")
        page.run("await page.fill('#token', 'wrong'); await page.keyboard.press('Enter')")
        page.wait_for("document.getElementById('login-error').textContent !== ''")
        page.run("await page.fill('#token', given.token)", token=TOKEN)
        page.run("await page.keyboard.press('Enter')")
        page.wait_for(f"login.hidden && {STATE} === 'Live' && notice.hidden")
        assert not [asked for asked in page.requests() if TOKEN in asked]


def test_a_frame_is_in_the_browser_soon(page, address):
    if os.getloadavg()[0] > MOST_LOAD * (os.cpu_count() or 1):
        pytest.skip("other programs use all processors: what is measured would be theirs")
    visit(page, address)
    shown(page, 10)
    # The machine may be busy with something else for a while: one round of several is enough.
    rounds = []
    for _ in range(ROUNDS):
        beyond_ms = [
            frame["drawn_unix_ms"] - 1000 * frame["taken_unix_s"] - frame["inference_ms"]
            for frame in page.evaluate(f"({TIMES})(25)")
        ]
        assert min(beyond_ms) > 0
        rounds.append(round(float(np.percentile(beyond_ms, 95)), 1))
        if rounds[-1] <= BAR_MS:
            break
    assert min(rounds) <= BAR_MS, rounds
