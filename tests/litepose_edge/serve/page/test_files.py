"""The page's files as they lie there: small, of their own, and coloured as saved pictures are."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from litepose_edge.drawing import palette
from paths import ROOT

PAGE = ROOT / "litepose_edge" / "serve" / "page"
FILES = sorted(path for path in PAGE.iterdir() if path.is_file())
TEXTS = [path for path in FILES if path.suffix in (".html", ".js", ".css")]
names = pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)


class Tags(HTMLParser):
    """Notices elements, ids, addresses, and what a strict policy forbids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.referred: list[str] = []
        self.inline: list[str] = []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._script = tag == "script"
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "action", "poster"):
                self.addresses.append(value or "")
            if name in ("for", "aria-labelledby", "aria-describedby"):
                self.referred += (value or "").split()
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.inline.append("script")


def html() -> Tags:
    return Tags((PAGE / "index.html").read_text("utf-8"))


@names
def test_a_file_is_small_and_has_no_absolute_address(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) < 400
    assert not re.search(r"\w+://|\"//|\burl\(|@import|\bdata:|\beval\(", text)


def test_the_page_has_no_inline_script_or_style_and_each_id_once():
    tags = html()
    assert tags.inline == []
    assert len(tags.ids) == len(set(tags.ids))
    assert set(tags.referred) <= set(tags.ids)


def test_addresses_of_the_page_are_relative_and_its_files_are_there():
    addresses = html().addresses
    assert not [address for address in addresses if address.startswith("/")]
    own = [address for address in addresses if address.startswith("page/")]
    assert own
    assert [name for name in own if not (PAGE / name.removeprefix("page/")).is_file()] == []
    assert {"v1/status", "metrics", "openapi.json"} <= set(addresses)


@pytest.mark.parametrize("path", sorted(PAGE.glob("*.js")), ids=lambda path: path.name)
def test_what_a_module_imports_is_exported_where_it_says(path):
    text = path.read_text("utf-8")
    for wanted, name in re.findall(r'import \{([^}]+)\} from "\./([\w.]+)"', text):
        exported = re.findall(
            r"^export (?:async )?(?:class|const|function) (\w+)",
            (PAGE / name).read_text("utf-8"),
            re.MULTILINE,
        )
        assert {word.strip() for word in wanted.split(",")} <= set(exported)


@pytest.mark.parametrize("path", sorted(PAGE.glob("*.js")), ids=lambda path: path.name)
def test_ids_that_a_module_looks_up_are_in_the_page(path):
    looked_up = re.findall(r'(?:byId|getElementById|write)\("([\w-]+)"', path.read_text("utf-8"))
    assert set(looked_up) <= set(html().ids)


def levels(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)))[::-1]


def test_colours_are_those_of_saved_pictures():
    text = (PAGE / "palette.js").read_text("utf-8")
    for name in ("LEFT", "RIGHT", "MIDDLE", "DOT", "EDGE"):
        (triple,) = re.findall(rf"^export const {name} = \[([^\]]+)\];", text, re.MULTILINE)
        assert levels(triple) == getattr(palette, name)
    (people,) = re.findall(r"^export const PEOPLE = \[\n(.*?)\n\];", text, re.DOTALL | re.MULTILINE)
    assert tuple(map(levels, re.findall(r"\[[^\]]+\]", people))) == palette.PEOPLE
