"""How the service answers the network: where, to whom, within which limits."""

from __future__ import annotations

from dataclasses import dataclass, field

LEAST_TOKEN = 16
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client, and all of them, may take.

    Attributes:
        connections: Open at once.
        connections_each: Of them from one address.
        viewers: Of the live stream at once.
        body_bytes: Of one picture.
        pixels: Of one picture.
        boxes: Given with one picture.
        pictures_waiting: Pictures that are read, wait or are treated at once.
        requests_per_s: From one address, in the long run.
        requests_burst: From one address at once.
        failed_logins: From one address in a minute.
        head_s: For the line and headers of a request to come.
        body_s: For its body to come.
        stalled_s: A client that takes nothing of an answer for longer is dropped.
    """

    connections: int = 256
    connections_each: int = 64
    viewers: int = 32
    body_bytes: int = 20_000_000
    pixels: int = 25_000_000
    boxes: int = 100
    pictures_waiting: int = 4
    requests_per_s: float = 50.0
    requests_burst: int = 200
    failed_logins: int = 10
    head_s: float = 10.0
    body_s: float = 20.0
    stalled_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """Who is answered.

    Attributes:
        host: Address to listen at.
        port: Its port.
        token: What clients must know; None where the loopback address asks for none.
        hosts: Names besides addresses, localhost and this machine's by which it may be called.
        origins: Origins of other web pages that may ask, such as `https://board.example`.
        limits: What clients may take.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
