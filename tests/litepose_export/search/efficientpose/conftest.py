"""What the tests of the differentiable search share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def single_threaded(one_thread) -> None:
    """Tests that run side by side would otherwise wait for each other's threads."""
