"""What the page draws, looked at pixel by pixel in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from chromium import Chromium, Page
from litepose_edge.drawing import palette
from live_board import Board, listening, person

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 640, 480
GROUND = (90, 60, 30)  # BGR
WINDOW = {"viewport": {"width": 1000, "height": 800}}
# A person of 17 keypoints who stands, as no two keypoints lie close; the left ear is not seen.
PLACES = [
    (320, 80), (340, 60), (300, 60), (365, 70), (275, 70), (380, 140), (260, 140), (420, 210),
    (220, 210), (440, 280), (200, 280), (360, 270), (280, 270), (370, 350), (270, 350), (375, 430),
    (265, 430),
]  # fmt: skip
UNSEEN = 3


def standing(dx: float = 0, scale: float = 1, *, track_id: int | None = 3) -> dict:
    points = [
        [x * scale + dx, y * scale, 0.1 if i == UNSEEN else 0.9] for i, (x, y) in enumerate(PLACES)
    ]
    return person(points, track_id=track_id)


def ground(colour: tuple[int, int, int] = GROUND) -> NDArray[np.uint8]:
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def opened(page: Page, address: str) -> None:
    page.run("await page.goto(given.address)", address=address)
    page.wait_for("document.getElementById('state-text').textContent !== 'Connecting'")
    page.evaluate(
        "void document.getElementById('picture')"
        ".addEventListener('shown', ({detail}) => { window.shown = detail.index; })"
    )


@dataclass
class Canvas:
    """The canvas's pixels at places of the picture; the arithmetic is this test's own."""

    page: Page
    mirrored: bool = False

    def at(self, x: float, y: float) -> tuple[int, int, int]:
        wide, high = self.page.evaluate("[picture.width, picture.height]")
        scale = min(wide / WIDTH, high / HEIGHT)
        across = (x + 0.5) * scale
        if self.mirrored:
            across = WIDTH * scale - across
        column = int((wide - WIDTH * scale) / 2 + across)
        row = int((high - HEIGHT * scale) / 2 + (y + 0.5) * scale)
        rgba = self.page.evaluate(
            f"[...picture.getContext('2d').getImageData({column}, {row}, 1, 1).data]"
        )
        red, green, blue, _ = rgba
        return blue, green, red

    def between(self, first: int, second: int, share: float = 0.5) -> tuple[int, int, int]:
        (x1, y1), (x2, y2) = PLACES[first], PLACES[second]
        return self.at(x1 + (x2 - x1) * share, y1 + (y2 - y1) * share)


def close_to(colour: tuple[int, int, int], tolerance: int = 12) -> Callable:
    return pytest.approx(colour, abs=tolerance)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Board, str]]:
    board = Board()
    with listening(board) as address:
        yield board, address


@pytest.fixture
def board(served: tuple[Board, str]) -> Board:
    served[0].reset()
    return served[0]


@pytest.fixture
def page(board: Board, served: tuple[Board, str], browser: Chromium) -> Iterator[Page]:
    with browser.page(**WINDOW) as page:
        opened(page, served[1])
        yield page
        assert page.errors() == []


def show(board: Board, page: Page, people: list, image=None, **options) -> None:
    index = board.show(people, ground() if image is None else image, **options)
    page.wait_for(f"window.shown === {index}")


def choose(page: Page, *names: str) -> None:
    """Turn all layers but these off."""
    for name in ("skeletons", "boxes", "ids", "trails"):
        page.run(
            "await page.setChecked(given.box, given.on)",
            box=f".layers input[name={name}]",
            on=name in names,
        )


def test_keypoints_and_bones_lie_on_the_right_pixels_mirrored_or_not(board, page):
    for mirrored in (False, True):
        board.say(mirror=mirrored)
        show(board, page, [standing()])
        canvas = Canvas(page, mirrored)
        for i, place in enumerate(PLACES):
            if i != UNSEEN:
                assert canvas.at(*place) == close_to(palette.DOT)
        assert canvas.at(*PLACES[UNSEEN]) == close_to(GROUND)
        assert canvas.between(5, 7) == close_to(palette.LEFT)
        assert canvas.between(6, 8) == close_to(palette.RIGHT)
        assert canvas.between(11, 12) == close_to(palette.MIDDLE)
        assert canvas.at(600, 20) == close_to(GROUND)


def test_each_layer_is_drawn_by_itself_and_can_be_turned_off(board, page):
    own = palette.PEOPLE[3]
    for dx in range(-30, 1, 3):
        show(board, page, [standing(dx)])
    canvas = Canvas(page)
    left, top, _, bottom = standing()["box_xyxy"]
    edge, trail = (left, (top + bottom) / 2 + 55), (305, (top + bottom) / 2)
    label = (left + 3, top - 4)
    for layers, where in (("boxes", edge), ("trails", trail), ("ids", label)):
        choose(page, layers)
        assert canvas.at(*where) == close_to(own), layers
        choose(page)
        assert canvas.at(*where) == close_to(GROUND), layers
    choose(page, "skeletons")
    page.run("await page.selectOption('#palette', 'person')")
    assert canvas.between(5, 7) == close_to(own)
    choose(page)
    assert canvas.between(5, 7) == close_to(GROUND)


def test_choices_are_kept_for_the_next_visit(board, page):
    choose(page, "boxes")
    page.run("await page.selectOption('#palette', 'person'); await page.reload()")
    checked = "[...document.querySelectorAll('.layers input:checked')].map(({name}) => name)"
    assert page.evaluate(checked) == ["video", "boxes"]
    assert page.evaluate("palette.value") == "person"


def test_without_video_skeletons_stand_on_a_plain_ground_and_no_picture_comes(board, page):
    show(board, page, [standing()])
    page.run("await page.uncheck('.layers input[name=video]')")
    page.wait_for(
        "document.querySelector('#picture').getAttribute('aria-label').includes('without')"
    )
    show(board, page, [standing()])
    assert board.videos == [True, False]
    canvas = Canvas(page)
    assert canvas.at(600, 20) == close_to((48, 48, 48))
    assert canvas.at(*PLACES[0]) == close_to(palette.DOT)


def test_the_page_says_which_pictures_were_seen(board, page):
    show(board, page, [])
    show(board, page, [])
    page.wait_for("true")
    assert board.seen[-1] == 2


def test_people_are_listed_with_id_score_and_colour(board, page):
    show(board, page, [standing(200, 0.5, track_id=12), standing(0, 0.5, track_id=3)])
    page.wait_for("document.querySelectorAll('#people-rows tr').length === 2")
    rows = page.evaluate(
        "[...document.querySelectorAll('#people-rows tr')].map(row => [...row.children]"
        ".map(cell => cell.textContent.trim()))"
    )
    assert rows == [["#3", "0.90", "16 of 17"], ["#12", "0.90", "16 of 17"]]
    blue, green, red = palette.PEOPLE[3]
    swatch = "getComputedStyle(document.querySelector('.swatch')).backgroundColor"
    assert page.evaluate(swatch) == f"rgb({red}, {green}, {blue})"
    assert page.evaluate("count.textContent") == "2"
    show(board, page, [])
    page.wait_for("people.hidden && !document.getElementById('people-none').hidden")
    assert page.evaluate("chip.textContent") == "No people"
    assert page.evaluate("picture.getAttribute('aria-label')") == "Live picture, no people"


def test_people_without_ids_are_coloured_by_place(board, page):
    show(board, page, [standing(track_id=None)])
    page.wait_for("document.querySelectorAll('#people-rows tr').length === 1")
    assert page.evaluate("document.querySelector('.name').textContent") == "1"
    left, top, _, bottom = standing()["box_xyxy"]
    edge = (left, (top + bottom) / 2 + 55)
    assert Canvas(page).at(*edge) == close_to(palette.PEOPLE[0])
