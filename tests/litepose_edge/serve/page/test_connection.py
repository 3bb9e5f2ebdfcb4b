"""States of connection and source: the page says what is the matter and mends what it can."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from chromium import Chromium, Page
from live_board import Board, listening

pytestmark = pytest.mark.slow

PICTURE = np.full((48, 64, 3), 90, np.uint8)
STATE = "document.getElementById('state-text').textContent"
TITLE = "document.getElementById('notice-title').textContent"
TEXT = "document.getElementById('notice-text').textContent"


# What the page waits for from now on takes a quarter of its time.
FASTER = "(real => { globalThis.setTimeout = (act, ms) => real(act, ms / 4); })(setTimeout)"


@pytest.fixture
def page(browser: Chromium) -> Iterator[Page]:
    with browser.page() as page:
        yield page


def visit(page: Page, address: str) -> None:
    page.run("await page.goto(given.address)", address=address)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def port_of(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


def test_the_page_comes_back_when_the_server_does(page):
    board = Board()
    with listening(board) as address:
        visit(page, address)
        board.show([], PICTURE)
        page.wait_for("notice.hidden")
    page.wait_for(f"{STATE} === 'Connection lost' && !notice.hidden && pause.disabled")
    assert page.evaluate(TEXT).startswith("Trying again")
    assert page.evaluate("fps.textContent").endswith("not known")
    again = Board()
    with listening(again, port_of(address)):
        page.wait_for(f"{STATE} === 'Live' && !pause.disabled")
        again.show([], PICTURE)  # counted from 1 once more
        page.wait_for("notice.hidden")
    page.wait_for(f"{STATE} === 'Connection lost'")
    page.evaluate("void (globalThis.loadedBefore = true)")
    again.version = "0.2.0"
    with listening(again, port_of(address)):
        page.evaluate("retry.click()")
        # The page of the updated board takes over.
        page.wait_for(f"globalThis.loadedBefore === undefined && {STATE} === 'Live'")
        assert page.evaluate("version.textContent") == "litepose-edge 0.2.0"


def test_a_connection_that_says_nothing_is_taken_for_lost(page):
    board = Board()
    with listening(board) as address:
        visit(page, address)
        page.wait_for(f"{STATE} === 'Live'")
        page.evaluate(f"void ({FASTER})")
        board.say(fps=1.0)
        page.wait_for("fps.textContent === '1.0'")
        board.silent = True
        page.wait_for(f"{STATE} === 'Connection lost'")
        assert page.evaluate(TEXT).startswith("Nothing was heard for 5 seconds.")


def test_a_refused_visit_says_why(page):
    board = Board()
    with listening(board) as address:
        visit(page, address)
        page.run("""await page.route("**/v1/status", (route) => route.fulfill(
          { status: 503, json: { error: "All 16 places are taken." } })); await page.reload();""")
        page.wait_for(f"{TEXT}.startsWith('All 16 places are taken. Trying again')")
        board.full = True
        page.run("await page.unroute('**/v1/status')")
        page.evaluate("retry.click()")
        page.wait_for(f"{TEXT}.startsWith('Too many watch already')")
        board.full = False
        page.evaluate("retry.click()")
        page.wait_for(f"{STATE} === 'Live'")


def test_states_of_the_source_are_told(page):
    board = Board()
    with listening(board) as address:
        visit(page, address)
        for state, pill, title in (
            ("waiting", "Waiting", "Waiting for the camera"),
            ("ended", "Ended", "The film has ended"),
            ("failed", "Failed", "The source cannot be read"),
        ):
            board.say(state=state, reason=None)
            page.wait_for(f"{STATE} === '{pill}' && {TITLE} === '{title}' && {TEXT} !== ''")
        board.say(reason="/dev/video0 is gone")
        page.wait_for(f"{TEXT} === '/dev/video0 is gone.'")
        board.say(state="running", reason=None)
        page.wait_for(f"{TITLE} === 'Waiting for the first picture'")
        board.show([], PICTURE)
        page.wait_for("notice.hidden && chip.textContent === 'No people'")


def test_a_service_that_ends_with_its_film_is_not_called_lost(page):
    board = Board()
    with listening(board) as address:
        visit(page, address)
        board.say(state="ended")
        page.wait_for(f"{TITLE} === 'The film has ended'")
    page.wait_for(f"{TEXT} === 'The service has ended with it.' && {STATE} === 'Ended'")
    with listening(Board(), port_of(address)):
        page.wait_for(f"{STATE} === 'Live'")


def test_what_is_wrong_with_a_running_stream_is_told_until_it_is_mended(page):
    board = Board()
    with listening(board) as address:
        visit(page, address)
        board.say(reason="the disk is full")
        page.wait_for("document.getElementById('problem-text').textContent === 'The disk is full.'")
        board.say(reason=None)
        page.wait_for("problem.hidden")


def test_a_token_is_asked_for_and_kept(page):
    board = Board(token="swordfish")
    with listening(board) as address:
        visit(page, address)
        page.wait_for("!login.hidden && live.hidden && document.activeElement.id === 'token'")
        page.run("""await page.fill("#token", "wrong"); await page.keyboard.press("Enter")""")
        error = "document.getElementById('login-error').textContent"
        page.wait_for(f"{error} === 'This is not the token.'")
        page.run("""await page.fill("#token", "swordfish"); await page.keyboard.press("Enter")""")
        page.wait_for(f"login.hidden && {STATE} === 'Live'")
        kept = "document.cookie + location.href + JSON.stringify(localStorage)"
        assert "swordfish" not in page.evaluate(kept)
        page.run("await page.reload()")
        page.wait_for(f"{STATE} === 'Live'")
    # The board begins anew with another token.
    with listening(Board(token="other"), port_of(address)):
        page.wait_for("!login.hidden")


def test_the_live_region_speaks_without_being_asked(page):
    with listening(Board()) as address:
        visit(page, address)
        page.evaluate("void ((now) => { performance.now = () => 20 * now(); })(() => Date.now())")
        page.wait_for("document.getElementById('announcer').textContent !== ''")
        assert page.evaluate("announcer.getAttribute('role')") == "status"


def test_a_hidden_page_lets_the_board_rest(page):
    board = Board()
    with listening(board) as address:
        visit(page, address)
        page.wait_for(f"{STATE} === 'Live'")
        page.evaluate("""(() => {
          const real = setTimeout;
          globalThis.setTimeout = (act, ms) => real(act, ms / 100);
          Object.defineProperty(document, "hidden", { value: true, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
          globalThis.setTimeout = real;
        })()""")
        until(lambda: board.open == 0)
        assert board.videos == [True]
        page.evaluate("""(() => {
          delete document.hidden;
          document.dispatchEvent(new Event("visibilitychange"));
        })()""")
        until(lambda: board.open == 1)
        page.wait_for(f"{STATE} === 'Live'")


def test_nothing_is_asked_of_another_address_or_beyond_a_proxys_prefix(page):
    board = Board(allow_record=True)
    with listening(board, prefix="/hall/board") as address:
        visit(page, f"{address}/")
        board.show([], PICTURE)
        page.wait_for("notice.hidden")
        page.run("await page.click('#snapshot')")
        page.run("await page.uncheck('.layers input[name=video]')")
        until(lambda: board.videos == [True, False])
        host = address.removesuffix("/hall/board")
        own = (f"{address}/", f"{address}/".replace("http", "ws"), f"blob:{host}/")
        assert [asked for asked in page.requests() if not asked.startswith(own)] == []
        assert any("/v1/live" in asked for asked in page.requests()), json.dumps(page.requests())
        assert page.errors() == []
