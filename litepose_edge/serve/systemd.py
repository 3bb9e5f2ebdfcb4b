"""Tells systemd that the service is there and alive (sd_notify's protocol), where it asks."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Tell systemd a state such as `"READY=1"`; nothing happens where it does not listen."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    # A leading @ stands for the zero byte of Linux's abstract names.
    address = "\0" + address[1:] if address.startswith("@") else address
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        systemd.sendto(state.encode(), address)
