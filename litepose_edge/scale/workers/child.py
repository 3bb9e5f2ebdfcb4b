"""The worker process: `python -m litepose_edge.scale.workers.child`, started by `process.py`.

It ends with its driver however that ends: the end of its stdin tells it everywhere, on Linux also
the kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import signal
import sys
import threading
from typing import IO, Any

from litepose_edge.scale.workers.wire import Kind, receive, send

# Second argument: the thread that starts this process lasts as long as it is wanted.
TIED = "tied"
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Do units until stdin ends."""
    driver, tied = int(sys.argv[1]), sys.argv[2:] == [TIED]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, who ends this one
    if tied:
        _end_with(driver)
    incoming, outgoing = _private_streams()
    sys.path[:] = receive(incoming)[0]
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(incoming, messages), daemon=True).start()
    try:
        (job,) = messages.get()
        labeller = job.open()
        send(outgoing, Kind.READY)
        while True:
            unit, skip = messages.get()
            result = labeller.run(
                unit,
                skip,
                lambda at: send(outgoing, Kind.BEGIN, at),
                lambda n: send(outgoing, Kind.DONE, n),
            )
            send(outgoing, Kind.RESULT, result)
    except BrokenPipeError:
        os._exit(0)
    except Exception as exc:  # noqa: BLE001 - the driver raises it
        _tell(outgoing, exc)
        os._exit(1)


def _tell(outgoing: IO[bytes], exc: Exception) -> None:
    with contextlib.suppress(BrokenPipeError):
        try:
            send(outgoing, Kind.ERROR, exc)
        except (AttributeError, TypeError, ValueError, ImportError):  # it cannot be pickled
            send(outgoing, Kind.ERROR, RuntimeError(f"{type(exc).__name__}: {exc}"))


def _read(incoming: IO[bytes], messages: queue.SimpleQueue[Any]) -> None:
    """In a thread of its own, so that the driver's end is noticed in the middle of a unit."""
    while True:
        try:
            messages.put(receive(incoming))
        except BaseException:  # noqa: BLE001 - end or damage: there is no driver any more
            os._exit(0)


def _private_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Stdin and stdout for messages alone: whatever libraries print goes to stderr."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)
    return incoming, outgoing


def _end_with(driver: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != driver:  # it ended before the kernel was asked
            os._exit(0)


if __name__ == "__main__":
    main()
