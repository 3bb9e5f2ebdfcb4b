"""Modules of the page by themselves, in a real browser: pairing, labels, pauses, announcements."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chromium import Chromium, Page
from live_board import Board, listening

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def modules(browser: Chromium) -> Iterator[Page]:
    """A page of the server's origin that runs nothing by itself."""
    with listening(Board()) as address, browser.page() as page:
        page.run("await page.goto(given.address)", address=f"{address}/page/colours.css")
        yield page


# Pictures may be late, left out or damaged: what is drawn together is of one index.
PAIRING = """
  const { Frames } = await import("./frames.js");
  const jpeg = async (level) => {
    const canvas = new OffscreenCanvas(16, 16);
    const pen = canvas.getContext("2d");
    pen.fillStyle = `rgb(${level} ${level} ${level})`;
    pen.fillRect(0, 0, 16, 16);
    return new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg" })).arrayBuffer());
  };
  const level = (bitmap) => {
    const pen = new OffscreenCanvas(16, 16).getContext("2d");
    pen.drawImage(bitmap, 0, 0);
    return pen.getImageData(8, 8, 1, 1).data[0];
  };
  const drawn = [], seen = [];
  const frames = new Frames({
    shown: (poses, picture, trails) =>
      drawn.push([poses.index, Math.round(level(picture) / 40), [...trails.pieces()].length]),
    seen: (index) => seen.push(index),
  });
  const poses = (index) => frames.addPoses({ index, timestamp_s: index / 30,
    people: [{ track_id: 1, box_xyxy: [index, 0, index + 2, 4], keypoints: [] }] });
  const settled = async (index) => {
    while (!seen.includes(index)) await new Promise((done) => setTimeout(done, 5));
  };
  [1, 2, 3].forEach(poses);
  frames.addPicture(2, await jpeg(80));
  await settled(2);
  poses(4);
  frames.addPicture(4, new Uint8Array([1, 2, 3]));
  await settled(4);
  poses(5);
  poses(6);
  frames.addPicture(5, await jpeg(200));
  await settled(5);
  frames.clear();
  poses(1);
  frames.addPicture(9, await jpeg(0));
  await settled(9);
  frames.addPicture(1, await jpeg(40));
  await settled(1);
  return { drawn, seen };
"""


def test_picture_and_skeleton_of_one_index_are_drawn_together(modules):
    found = modules.evaluate(f"(async () => {{{PAIRING}}})()")
    # Index, picture's grey over 40, pieces of trail; picture 4 was damaged, 9 has no poses.
    assert found["drawn"] == [[2, 2, 1], [5, 5, 4], [1, 1, 0]]
    assert found["seen"] == [2, 4, 5, 9, 1]


def test_labels_do_not_cover_each_other(modules):
    places = modules.evaluate(
        """(async () => {
          const { Labels } = await import("./labels.js");
          const drawn = [];
          const pen = { measureText: () => ({ width: 30 }), fillText() {},
            fillRect: (x, y, width, height) => drawn.push([x, y, x + width, y + height]) };
          const labels = new Labels(pen, { left: 0, top: 0, right: 300, bottom: 200 }, 20);
          for (let i = 0; i < 5; i++) labels.write("#1", [100 + i, 80, 160 + i, 150], [0, 0, 0]);
          labels.write("#2", [290, 0, 299, 50], [0, 0, 0]);
          return drawn;
        })()"""
    )
    for i, (x1, y1, x2, y2) in enumerate(places):
        assert 0 <= x1 < x2 <= 300
        assert 0 <= y1 < y2 <= 200
        for a1, b1, a2, b2 in places[:i]:
            assert min(x2, a2) <= max(x1, a1) or min(y2, b2) <= max(y1, b1)


def test_pauses_between_tries_grow_and_have_an_end(modules):
    pauses = modules.evaluate("""(async () => {
          const real = [globalThis.setTimeout, globalThis.fetch];
          const pauses = [];
          globalThis.fetch = async () => { throw new TypeError("no network"); };
          const { Connection } = await import("./connection.js");
          const connection = new Connection({
            phase: ({ name, until }) => name === "lost" && pauses.push(until - performance.now()),
            message() {}, picture() {},
          });
          for (let i = 0; i < 12; i++) await connection.open();
          [globalThis.setTimeout, globalThis.fetch] = real;
          return pauses;
        })()""")
    assert 300 <= pauses[0] <= 700
    assert all(400 * 2**i * 0.9 <= pause <= 700 * 2**i for i, pause in enumerate(pauses[:5]))
    assert all(11_000 <= pause <= 19_000 for pause in pauses[6:])


def test_announcements_are_of_what_lasts_and_seldom(modules):
    said = modules.evaluate("""(async () => {
      const { Announcer } = await import("./announcer.js");
      const said = [];
      const announcer = new Announcer({ set textContent(text) { said.push(text); } });
      const crowd = (ms) => (ms < 5000 ? "1 person" : `${2 + (ms / 1000) % 2} people`);
      for (let ms = 0; ms < 30_000; ms += 500) announcer.update(crowd(ms), ms);
      for (let ms = 30_000; ms < 60_000; ms += 500) announcer.update("no people", ms);
      return said;
    })()""")
    assert said == ["1 person", "no people"]
