"""Worker threads, imported when somebody needs them: `concurrent.futures` takes 7 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


def worker_pool(threads: int, name: str) -> ThreadPoolExecutor:
    """A pool of so many threads, called `litepose-NAME`."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads, f"litepose-{name}")
