"""Two local worker processes against one, beside what two processes of bare products reach.

Needs photographs in `shared/data/coco/images`: where they are missing it ends with a sentence.

python -m benchmarks.scale.scaling [--images 1500] [--repeats 3]

Products are `torch._int_mm` of 1024x1024 INT8 matrices, one thread a process, before and after each
pair of runs. A run's rate is frames a second from the first input to the last shard, its networks
opened in that time too. Wants both cores for itself. Exit code 1 where the bar is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.scale.archives import check_data, drive, small_photographs, write_list

BAR = 0.93
PRODUCTS = """
import time, torch
torch.set_num_threads(1)
left = torch.randint(-100, 100, (1024, 1024), dtype=torch.int8)
right = torch.randint(-100, 100, (1024, 1024), dtype=torch.int8)
torch._int_mm(left, right)
print("ready", flush=True)
input()
count, end = 0, time.monotonic() + {seconds}
while time.monotonic() < end:
    torch._int_mm(left, right)
    count += 1
print(count)
"""


def products(processes: int, seconds: float) -> float:
    """Products a second of so many processes at once."""
    code = PRODUCTS.format(seconds=seconds)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for one in running:
        assert one.stdout is not None
        one.stdout.readline()
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    counts = [int(one.communicate()[0]) for one in running]
    return sum(counts) / seconds


def main() -> None:
    """Alternate, print, compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--side", type=int, default=480, help="of the photographs, in pixels")
    parser.add_argument("--shard-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--product-seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    check_data()
    options = json.dumps({"shard_size": arguments.shard_size})
    rates: dict[int, list[float]] = {1: [], 2: []}
    peaks: dict[int, list[float]] = {1: [], 2: []}

    def measure_peaks() -> None:
        for processes in (1, 2):
            peaks[processes].append(products(processes, arguments.product_seconds))

    with tempfile.TemporaryDirectory(prefix="litepose-scaling-") as name:
        folder = Path(name)
        photographs = small_photographs(folder / "photographs", arguments.images, arguments.side)
        listed = write_list(folder / "list.txt", photographs, arguments.images)
        measure_peaks()
        for number in range(arguments.repeats):
            for workers in (1, 2):
                out = folder / f"{workers}-{number}"
                found = drive(
                    "--from", listed, "--out", out, "--workers", str(workers), "--options", options
                )
                rates[workers].append(found["frames"] / found["seconds"])
                print(
                    f"{workers} workers: {rates[workers][-1]:.2f} images, "
                    f"{found['people'] / found['seconds']:.1f} people a second",
                    flush=True,
                )
            measure_peaks()
    ours = statistics.median(rates[2]) / statistics.median(rates[1])
    possible = statistics.median(peaks[2]) / statistics.median(peaks[1])
    print(
        f"two workers / one {ours:.3f}; products of two processes / one {possible:.3f}: "
        f"{ours / possible:.3f} (bar {BAR})"
    )
    raise SystemExit(ours / possible < BAR)


if __name__ == "__main__":
    main()
