"""`litepose-edge serve` that tells how much CPU time each of its threads took.

python -m benchmarks.serve.measured SOURCE [OPTIONS OF SERVE]

For each line on stdin it writes a line of JSON to stdout: seconds by thread, and `process`.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from litepose_edge.cli import app


def cpu_s() -> dict[str, float]:
    """Processor time by thread of Python, and of the whole process, engine included."""
    found = {"process": time.process_time()}
    for thread in threading.enumerate():
        if thread.ident is not None:
            clock = time.pthread_getcpuclockid(thread.ident)
            found[thread.name] = time.clock_gettime(clock)
    return found


def answer() -> None:
    """Answer until stdin ends."""
    for _ in sys.stdin:
        print(json.dumps(cpu_s()), flush=True)


if __name__ == "__main__":
    threading.Thread(target=answer, daemon=True, name="answers").start()
    sys.exit(app.run(["serve", *sys.argv[1:]]))
