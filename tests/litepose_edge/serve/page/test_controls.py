"""Every control of the page: what it asks of the board, and what stands there afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from chromium import Chromium, Page
from live_board import Board, listening

pytestmark = pytest.mark.slow

PICTURE = np.full((48, 64, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Board, str]]:
    board = Board(allow_record=True)
    with listening(board) as address:
        yield board, address


@pytest.fixture
def board(served: tuple[Board, str]) -> Board:
    served[0].reset()
    return served[0]


@pytest.fixture
def page(board: Board, served: tuple[Board, str], browser: Chromium) -> Iterator[Page]:
    with browser.page() as page:
        page.run("await page.goto(given.address)", address=served[1])
        board.show([], PICTURE)
        page.wait_for("!pause.disabled && notice.hidden")
        yield page


def test_settings_show_the_boards_and_change_them(board, page):
    values = (
        "[document.getElementById('min-score').value, "
        "document.getElementById('detect-every').value, "
        "mirror.checked, document.querySelector('#models input:checked').value]"
    )
    assert page.evaluate(values) == ["0.35", "5", False, "lrpose-s"]
    page.run("""
      await page.fill("#min-score", "0.6");
      await page.fill("#detect-every", "12");
      await page.press("#detect-every", "Enter");
      await page.check("#mirror");
      await page.check("#models input[value=lrpose-m]", { force: true });
    """)
    page.wait_for("!document.querySelector('[aria-busy]')")
    page.wait_for("document.getElementById('min-score-text').textContent === '0.60'")
    for change in (
        {"min_score": 0.6},
        {"detect_every": 12},
        {"mirror": True},
        {"model": "lrpose-m"},
    ):
        assert change in board.controls
    # Another viewer changes them.
    board.say(min_score=0.2, detect_every=3, mirror=False, model="lrpose-n")
    page.wait_for(f'JSON.stringify({values}) === \'["0.2","3",false,"lrpose-n"]\'')


def test_a_slider_that_is_dragged_is_one_request(board, page):
    page.run("""
      await page.focus("#min-score");
      for (let i = 0; i < 10; i++) await page.keyboard.press("ArrowRight");
    """)
    page.wait_for("!document.querySelector('[aria-busy]')")
    page.wait_for("document.getElementById('min-score-text').textContent === '0.45'")
    page.wait_for("new Promise((done) => setTimeout(() => done(true), 300))")
    assert board.controls[-1] == {"min_score": 0.45}
    assert len(board.controls) <= 3


def test_what_the_board_refuses_is_said_and_taken_back(board, page):
    board.refusal = (422, "lrpose-m is not installed on this board.")
    page.run('await page.check("#models input[value=lrpose-m]", { force: true })')
    page.wait_for("!problem.hidden")
    assert page.evaluate("document.getElementById('problem-text').textContent") == board.refusal[1]
    assert page.evaluate("document.querySelector('#models input:checked').value") == "lrpose-s"
    board.refusal = None
    page.run('await page.check("#models input[value=lrpose-n]", { force: true })')
    page.wait_for("problem.hidden")


def test_a_number_out_of_range_is_not_sent(board, page):
    page.run("""
      await page.fill("#detect-every", "0");
      await page.press("#detect-every", "Enter");
      await page.fill("#detect-every", "2");
      await page.press("#detect-every", "Tab");
    """)
    page.wait_for("!document.querySelector('[aria-busy]')")
    assert board.controls == [{"detect_every": 2}]


def test_pause_and_resume(board, page):
    page.run('await page.click("#pause")')
    page.wait_for("pause.textContent.trim() === 'Resume'")
    board.say(state="paused")
    page.wait_for("document.getElementById('state-text').textContent === 'Paused'")
    assert page.evaluate("chip.textContent") == "Paused"
    assert page.evaluate("notice.hidden")
    page.run('await page.click("#pause")')
    page.wait_for("pause.textContent.trim() === 'Pause'")
    assert board.controls == [{"paused": True}, {"paused": False}]


SNAPSHOT = """
  const waiting = page.waitForEvent("download");
  await page.click("#snapshot");
  const download = await waiting;
  const parts = [];
  for await (const part of await download.createReadStream()) parts.push(part);
  return [download.suggestedFilename(), Buffer.concat(parts).toString("base64").slice(0, 4)];
"""


def test_a_snapshot_is_kept_as_it_is_shown(board, page):
    # A JPEG begins with FF D8 FF.
    assert page.run(SNAPSHOT) == ["litepose-20240501-120000.jpg", "/9j/"]
    page.run("await page.selectOption('#palette', 'person')")
    page.run(SNAPSHOT)
    for name in ("skeletons", "boxes", "ids", "trails"):
        page.run("await page.uncheck(`.layers input[name=${given.name}]`)", name=name)
    page.run(SNAPSHOT)
    assert board.asked == ["drawn=1&palette=side", "drawn=1&palette=person", ""]
    board.refusal = (409, "There is no frame yet.")
    page.run('await page.click("#snapshot")')
    page.wait_for(
        "document.getElementById('problem-text').textContent === 'There is no frame yet.'"
    )
    page.run('await page.click("#problem-close")')
    assert page.evaluate("problem.hidden")


def test_recording_is_shown_to_all_and_can_be_stopped(board, page):
    page.run('await page.click("#record")')
    page.wait_for("!recording.hidden && record.textContent.trim() === 'Stop recording'")
    assert page.evaluate("document.getElementById('recording-time').textContent") == "0:00"
    page.run('await page.click("#record")')
    page.wait_for("recording.hidden && record.textContent.trim() === 'Record'")


def test_there_is_no_record_button_where_it_is_not_allowed(browser):
    with listening(Board()) as address, browser.page() as page:
        page.run("await page.goto(given.address)", address=address)
        page.wait_for("!pause.disabled")
        assert page.evaluate("record.hidden")


def test_figures_are_the_boards_and_unknown_ones_a_dash(board, page):
    ids = ["fps", "p50", "p95", "dropped", "cpu", "temperature", "memory", "viewers"]
    texts = f"JSON.stringify({ids}.map((id) => document.getElementById(id).textContent))"
    page.wait_for(
        f"{texts} === JSON.stringify(['30.0', '21 ms', '34 ms', '12 (0.3 %)', '62 %', "
        "'\u2013not known', '183 MB', '1'])"
    )
    board.say(temperature_c=54.6, fps=4.26, latency_ms={"p50": None, "p95": 3.21}, dropped=0)
    page.wait_for(
        f"{texts} === JSON.stringify(['4.3', '\u2013not known', '3.2 ms', '0', '62 %', '55 °C', "
        "'183 MB', '1'])"
    )


KEYBOARD = """
  const order = [];
  await page.locator("body").press("Tab");
  for (let i = 0; i < 30; i++) {
    const id = await page.evaluate(() => {
      const { activeElement: element } = document;
      return element.id || element.name || element.textContent.trim();
    });
    if (order.includes(id) || id === document?.body) break;
    order.push(id);
    await page.keyboard.press("Tab");
  }
  return order;
"""


def test_the_keyboard_alone_reaches_and_works_everything(board, page):
    order = page.run(KEYBOARD.replace(" || id === document?.body", ""))
    assert order[0] == "Skip to the controls"
    expected = ["pause", "snapshot", "record", "video", "skeletons", "boxes", "ids", "trails"]
    expected += ["palette", "model", "min-score", "detect-every", "mirror", "Status"]
    assert [name for name in order if name in expected] == expected
    page.run("""
      await page.focus("#pause"); await page.keyboard.press("Space");
      await page.focus("#mirror"); await page.keyboard.press("Space");
      await page.focus("#models input:checked"); await page.keyboard.press("ArrowRight");
    """)
    page.wait_for("!document.querySelector('[aria-busy]')")
    for change in ({"paused": True}, {"mirror": True}, {"model": "lrpose-m"}):
        assert change in board.controls
