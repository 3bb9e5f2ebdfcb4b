"""Telephone, dark surroundings, contrast and axe-core's rules, in every state of the page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from chromium import Chromium, Page
from javascript import packages
from live_board import Board, listening, person

pytestmark = pytest.mark.slow

TELEPHONE = {
    "viewport": {"width": 360, "height": 740},
    "deviceScaleFactor": 2,
    "isMobile": True,
    "hasTouch": True,
}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PICTURE = np.full((480, 640, 3), 90, np.uint8)
CROWD = [
    person([[60.0 * i + 5 * k, 20.0 * k, 0.8] for k in range(17)], track_id=i) for i in range(9)
]
STATE = "document.getElementById('state-text').textContent"
AXE = """
  if (!(await page.evaluate("'axe' in globalThis"))) await page.evaluate(given.source);
  return page.evaluate(async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
  });
"""


@pytest.fixture(scope="module")
def axe() -> str:
    path = packages("axe-core") / "node_modules" / "axe-core" / "axe.min.js"
    return path.read_text("utf-8")


@pytest.fixture(params=["light", "dark", "telephone"])
def page(request: pytest.FixtureRequest, browser: Chromium) -> Iterator[Page]:
    options = TELEPHONE if request.param == "telephone" else DESKTOP
    scheme = "dark" if request.param == "dark" else "light"
    with browser.page(**options, colorScheme=scheme) as page:
        yield page


def findings(page: Page, axe: str) -> list[str]:
    return page.run(AXE, source=axe)


def test_axe_finds_nothing_serious_in_any_state(page, axe):
    board = Board(token="token", allow_record=True)
    with listening(board) as address:
        page.run("await page.goto(given.address)", address=address)
        page.wait_for("!login.hidden")
        assert findings(page, axe) == []
        page.run("""await page.fill("#token", "token"); await page.keyboard.press("Enter")""")
        board.show(CROWD, PICTURE)
        page.wait_for("document.querySelectorAll('#people-rows tr').length === 9")
        assert findings(page, axe) == []
        board.say(recording=True, paused=True, state="paused")
        board.refusal = (422, "Expected a whole number.")
        page.run("await page.click('#snapshot')")
        page.wait_for("!problem.hidden && !recording.hidden")
        assert findings(page, axe) == []
        board.say(state="failed")
        page.wait_for("!notice.hidden")
        assert findings(page, axe) == []
    page.wait_for(f"{STATE} === 'Connection lost'")
    assert findings(page, axe) == []


LAYOUT = """
  const wide = document.documentElement.scrollWidth - innerWidth;
  const cut = [...document.querySelectorAll("body *")].filter((element) => {
    const { left, right, width } = element.getBoundingClientRect();
    return width > 1 && !element.closest(".unseen, .skip") && (left < -1 || right > innerWidth + 1);
  });
  // What is pressed for a box or button of choice is its label.
  const small = [...document.querySelectorAll("main button, main select, main input")]
    .map((e) => (["checkbox", "radio"].includes(e.type) ? e.parentElement : e))
    .filter((element) => element.offsetParent && !element.matches(".unseen"))
    .filter((element) => element.getBoundingClientRect().height < 34);
  const texts = (elements) => elements.map(({ outerHTML }) => outerHTML);
  return { wide, cut: texts(cut), small: texts(small) };
"""


def check_layout(page: Page) -> None:
    """In portrait of two telephones and in landscape."""
    for width in (320, 360, 740):
        size = {"width": width, "height": 1060 - width}
        page.run("await page.setViewportSize(given.size)", size=size)
        nothing = {"wide": 0, "cut": [], "small": []}
        assert page.evaluate(f"(() => {{{LAYOUT}}})()") == nothing, width


def test_a_telephone_shows_all_without_scrolling_sideways(browser):
    board = Board(token="token", allow_record=True)
    board.say(source="rtsp://a-camera-with-a-long-name.example/stream/main/1", recording=True)
    with listening(board) as address, browser.page(**TELEPHONE) as page:
        page.run("await page.goto(given.address)", address=address)
        page.wait_for("!login.hidden")
        check_layout(page)
        page.run("""await page.fill("#token", "token"); await page.keyboard.press("Enter")""")
        board.show(CROWD, PICTURE)
        page.wait_for("document.querySelectorAll('#people-rows tr').length === 9")
        check_layout(page)
        board.say(state="failed", reason="/dev/v4l/by-id/" + "usb-camera-" * 9)
        page.wait_for("!notice.hidden")
        check_layout(page)
        # The picture is there without scrolling, and fills the width.
        page.run("await page.setViewportSize({ width: 360, height: 740 })")
        top, width = page.evaluate(
            "(({top, width}) => [top, width])(stage.getBoundingClientRect())"
        )
        assert top < 120
        assert width > 330


def test_dark_surroundings_get_a_dark_page_and_light_ones_a_light_one(browser):
    def ground(scheme: str) -> list[int]:
        with browser.page(colorScheme=scheme) as page:
            page.run("await page.goto(given.address)", address=address)
            return page.evaluate(
                "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
            )

    with listening(Board()) as address:
        assert max(ground("dark")) < 40
        assert min(ground("light")) > 220


def test_nothing_moves_where_less_motion_is_wanted(browser):
    with listening(Board()) as address, browser.page(reducedMotion="reduce") as page:
        page.run("await page.goto(given.address)", address=address)
        page.wait_for(f"{STATE} === 'Live'")
        moving = """[...document.querySelectorAll("*"), ...document.getElementById("person-row")
          .content.querySelectorAll("*")].filter((element) => {
            const { transitionDuration, animationName } = getComputedStyle(element);
            return (transitionDuration || "0s") !== "0s" || (animationName || "none") !== "none";
          }).length"""
        assert page.evaluate(moving) == 0
