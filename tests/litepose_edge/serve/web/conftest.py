from collections.abc import Iterator

import httpx
import pytest

from litepose_edge.serve.options import Limits, WebOptions
from live_service import TOKEN, RunningService, film, make_service, running, wait_until


@pytest.fixture(scope="module")
def open_service() -> Iterator[RunningService]:
    """One that asks for no token, with generous rates: the tests are one address."""
    limits = Limits(requests_per_s=1e6, requests_burst=10**6, failed_logins=10**6)
    options = WebOptions(limits=limits, origins=("https://board.example",))
    with running(make_service(lambda: film(3000)), options) as found:
        wait_until(lambda: found.service.hub.newest is not None)
        yield found


@pytest.fixture(scope="module")
def locked_service() -> Iterator[RunningService]:
    """One that asks for a token."""
    limits = Limits(failed_logins=3, requests_per_s=1e6, requests_burst=10**6)
    with running(make_service(), WebOptions(token=TOKEN, limits=limits)) as found:
        yield found


@pytest.fixture
def client(open_service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=open_service.url, timeout=20) as found:
        yield found
