"""The token: compared in constant time, in a header or a cookie, and who may call by which name."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

COOKIE = "litepose_token"
COOKIE_S = 30 * 24 * 3600


class Token:
    """What clients must know.

    Cookies hold what is derived from the token, not the token: a browser hands them to every
    service of the same machine, whatever its port.

    Args:
        token: None where nothing is asked for.
    """

    def __init__(self, token: str | None) -> None:
        self._digest = None if token is None else _digest(token)
        self.cookie = "" if token is None else _cookie(token)

    @property
    def asked(self) -> bool:
        """Whether clients need it."""
        return self._digest is not None

    def is_right(self, given: str) -> bool:
        """Whether it is the token; takes as long for every wrong one."""
        return self._digest is not None and hmac.compare_digest(_digest(given), self._digest)

    def is_cookie(self, given: str) -> bool:
        """Whether it is the cookie that the right token was answered with."""
        return self.asked and hmac.compare_digest(_digest(given), _digest(self.cookie))


def bearer(header: str) -> str | None:
    """The token of an `Authorization` header; None where it holds none."""
    scheme, _, given = header.partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None


def cookie_value(header: str) -> str | None:
    """Our cookie's value in a `Cookie` header; None where it is not there."""
    # The standard library's parser takes time that grows with the square of some headers.
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address to listen at."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Names:
    """By which names the service may be called.

    A page of the internet can have its own name point at this machine (DNS rebinding); addresses
    have no such trick.

    Args:
        more: Besides addresses, localhost and this machine's own name.
    """

    def __init__(self, more: Iterable[str]) -> None:
        machine = socket.gethostname().lower()
        short = machine.partition(".")[0]
        self._names = {"localhost", machine, short, f"{short}.local", *(n.lower() for n in more)}

    def known(self, host: str) -> bool:
        """Whether a `Host` header names this service."""
        name = host_name(host)
        if name is None:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def host_name(host: str) -> str | None:
    """The name in a `Host` header without its port, in lower case; None where it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return (parts.hostname or "").rstrip(".").lower() or None


def same_origin(origin: str, host: str) -> bool:
    """Whether an `Origin` header is that of the service's own page."""
    try:
        parts = urlsplit(origin)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _cookie(token: str) -> str:
    return hmac.new(token.encode(), b"litepose-edge serve cookie", "sha256").hexdigest()
