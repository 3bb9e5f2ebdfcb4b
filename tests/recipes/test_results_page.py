"""The results page in the repository is the one that its JSON files give."""

from __future__ import annotations

from paths import ROOT
from recipes.results_page import page


def test_the_page_is_what_was_measured():
    docs = ROOT / "docs"
    assert page(docs) == (docs / "results.md").read_text("utf-8")
