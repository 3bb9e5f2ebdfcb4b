"""How much a client may ask for: rates by address, sizes and times of bodies."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import Request

from litepose_edge.serve.web.problems import Problem

ADDRESSES_KEPT = 4096
IPV6_NETWORK = 64


class Rates:
    """A bucket of permissions an address, filled at a steady rate.

    Args:
        per_s: How many come back in a second.
        burst: How many there are at most.
        now: The clock, in seconds.
    """

    def __init__(
        self, per_s: float, burst: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s, self._burst, self._now = per_s, burst, now
        # Of the address that came least lately first: the table is bounded.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, address: str, cost: float = 1.0) -> float:
        """Take some permissions.

        Returns:
            0 where they were there; else seconds until they will be, and none are taken.
        """
        left = self.left(address)
        if left < cost:
            return (cost - left) / self._per_s
        self._keep(address, left - cost)
        return 0.0

    def left(self, address: str) -> float:
        """How many an address has now."""
        now = self._now()
        left, at = self._left.get(client_key(address), (self._burst, now))
        return min(left + (now - at) * self._per_s, self._burst)

    def _keep(self, address: str, left: float) -> None:
        key = client_key(address)
        self._left[key] = (left, self._now())
        self._left.move_to_end(key)
        while len(self._left) > ADDRESSES_KEPT:
            self._left.popitem(last=False)


def client_key(address: str) -> str:
    """What counts as one client: an IPv4 address, or the IPv6 network that one line has."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, IPV6_NETWORK), strict=False))


async def read_body(request: Request, most_bytes: int, within_s: float) -> bytes:
    """A request's body.

    Args:
        request: Its body has not been read.
        most_bytes: A longer one is refused, before it is read where its length is told.
        within_s: For all of it to come.

    Raises:
        Problem: It is too long, or comes too slowly.
    """
    told = request.headers.get("content-length", "0")
    if not (told.isascii() and told.isdecimal()) or int(told[:20]) > most_bytes:
        raise _too_long(most_bytes)
    try:
        return await asyncio.wait_for(_collect(request, most_bytes), within_s)
    except asyncio.TimeoutError:
        raise Problem(
            408, f"the body did not come within {within_s:g} s: send it faster, or a smaller one"
        ) from None


async def _collect(request: Request, most_bytes: int) -> bytes:
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most_bytes:
            raise _too_long(most_bytes)
    return bytes(content)


def _too_long(most_bytes: int) -> Problem:
    return Problem(
        413, f"expected a body of at most {most_bytes} bytes, got more: send a smaller one"
    )
