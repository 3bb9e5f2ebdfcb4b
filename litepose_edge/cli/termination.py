"""Ends a command that the system asks to end as Ctrl-C does: nothing is left half-written."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

# What `kill`, `docker stop` and service managers send, and a terminal that is closed.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Terminated(BaseException):
    """The process shall end. No `Exception`, so that nothing takes it for a fault of its own.

    Attributes:
        exit_code: What shells and service managers take for an end by this signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.exit_code = 128 + number


@contextlib.contextmanager
def termination_raised() -> Iterator[None]:
    """Raise `Terminated` in the main thread when one of the signals comes meanwhile.

    Signals that the process ignores, as under `nohup`, or that have a handler stay as they are.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        handler = _handler(os.getpid())
        for number in SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


def _handler(process: int) -> signal._HANDLER:
    def end(number: int, frame: FrameType | None) -> NoReturn:
        if os.getpid() != process:  # a fork has nothing of ours to finish
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise Terminated(number)

    return end
