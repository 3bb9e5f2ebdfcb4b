"""Writes what a power meter on a serial port or USB says as the log that `bench --meter-log` reads.

stty -F /dev/ttyACM0 115200 raw; python meter_log.py /dev/ttyACM0 power.csv "voltage_v,current_a"

The meter gives lines of numbers; the titles say what they are, and in which unit: `power_mw`,
`energy_wh`, `voltage_v` with `current_a`. Each line gets the time of this machine's clock, so run
it on the board itself. Ctrl-C ends it.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
from pathlib import Path

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def main(port: str, target: str, titles: str) -> None:
    count = len(titles.split(","))
    # A meter that restarts would begin its log anew: append, and write the titles once.
    log = Path(target)
    new = not log.exists()
    with open(port, "rb", buffering=0) as meter, log.open("a", buffering=1) as out:  # noqa: PTH123 - a device
        if new:
            out.write(f"time,{titles}\n")
        while line := meter.readline():
            numbers = NUMBER.findall(line.decode("ascii", "replace"))
            if len(numbers) == count:  # else the line was cut, or is no reading
                out.write(f"{time.time():.6f},{','.join(numbers)}\n")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: meter_log.py PORT FILE TITLES")
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
