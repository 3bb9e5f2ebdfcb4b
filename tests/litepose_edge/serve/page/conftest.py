"""One browser for all tests of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chromium import Chromium, chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    pytest.importorskip("websockets")
    with chromium() as opened:
        yield opened
