"""A driver that is killed, broken files, fifty thousand inputs: what a labelling run withstands.

Needs photographs in `shared/data/coco/images` and the film in `shared/data/videos`; where they are
missing it ends with one sentence.

python -m benchmarks.scale.robustness [--kills 10] [--broken 5000] [--many 50000] [--networks]

Images are read and decoded; networks are a stub that costs nothing, unless `--networks` is given,
which the kills and broken files then use. Exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.paths import ROOT
from benchmarks.scale.archives import (
    FILM,
    check_data,
    command,
    digest,
    drive,
    small_photographs,
    write_list,
)

SIDE = 160
# From a tenth of the inputs to the last one.
GROWTH_BAR_MB = 5.0


def kills(folder: Path, count: int, images: int, seed: int, extra: list[str]) -> bool:
    """Kill the driver at so many random moments, each of a run of its own, and run again."""
    photographs = small_photographs(folder / "photographs", 200, SIDE)
    listed = write_list(folder / "kill.txt", photographs, images, FILM)
    run = [
        "--from",
        str(listed),
        "--workers",
        "2",
        "--options",
        '{"every": 10, "shard_size": 16}',
        *extra,
    ]
    began = time.monotonic()
    expected = drive(*run, "--out", str(folder / "whole"))
    pause = (time.monotonic() - began) / expected["shards"]
    wanted, good = digest(folder / "whole"), True
    rng = random.Random(seed)
    number = attempts = 0
    while number < count:
        attempts += 1
        out = folder / f"killed-{attempts}"
        # A share of the way and a moment more: a clock alone would miss a run that is quicker.
        shards, pause_s = rng.randrange(expected["shards"]), rng.uniform(0, 1) * pause
        driver = subprocess.Popen(command(*run, "--out", out), cwd=ROOT, stdout=subprocess.DEVNULL)
        while driver.poll() is None and len(list(out.glob("people/*.parquet"))) < shards:
            time.sleep(0.01)
        time.sleep(pause_s)
        driver.kill()
        if driver.wait() == 0:
            print("it had ended: once more", flush=True)
            continue
        number += 1
        there = len(list(out.glob("people/*.parquet")))
        again = drive(*run, "--out", str(out))
        equal = digest(out) == wanted
        good &= equal
        print(
            f"kill {number}: {there} of {expected['shards']} shards were there, "
            f"{again['shards']} made: {'complete and equal' if equal else 'DIFFERENT'}",
            flush=True,
        )
    return good


def broken(folder: Path, count: int, extra: list[str]) -> bool:
    """One in a hundred files is broken: each is named once, all others are labelled."""
    photographs = small_photographs(folder / "photographs", 200, SIDE)
    rng = random.Random(1)
    lines: list[Path] = [rng.choice(photographs) for _ in range(count)]
    places = rng.sample(range(count), count // 100)
    for number, place in enumerate(places):
        content = lines[place].read_bytes()
        bad = folder / "broken" / f"{number}.jpg"
        bad.parent.mkdir(exist_ok=True)
        kinds = (content[: len(content) // 2], b"", b"no picture", bytes(2000))
        bad.write_bytes(kinds[number % len(kinds)])
        lines[place] = bad
    listed = folder / "broken.txt"
    listed.write_text("".join(f"{line}\n" for line in lines))
    found = drive("--from", listed, "--out", folder / "with-broken", *extra)
    failed = pq.read_table(folder / "with-broken" / "failures.parquet")["source"].to_pylist()
    named = sorted(failed) == sorted(str(lines[place]) for place in places)
    good: bool = named and found["frames"] == count - len(places)
    print(
        f"broken: {len(places)} of {count} broken, {found['frames']} labelled, {len(failed)} named"
        f"{'' if named else ', NOT EACH ONCE'}: {found['people'] / found['seconds']:.0f} people a "
        f"second",
        flush=True,
    )
    return good


def many(folder: Path, count: int) -> bool:
    """The driver's memory from a tenth of the inputs to the last."""
    photographs = small_photographs(folder / "photographs", 200, SIDE)
    listed = write_list(folder / "many.txt", photographs, count)
    sample = max(count // 50, 1)
    found = drive(
        "--from", listed, "--out", folder / "many", "--stub", "--sample-every", str(sample)
    )
    samples = [mb for done, mb in found["memory_mb"] if done >= count / 10]
    growth = max(samples) - samples[0]
    good: bool = growth <= GROWTH_BAR_MB and found["frames"] == count
    print(
        f"memory: {samples[0]:.1f} MB at {count // 10} inputs, at most {max(samples):.1f} MB until "
        f"{count}: {growth:+.1f} MB (bar {GROWTH_BAR_MB} MB), {found['shards']} shards in "
        f"{found['seconds']:.0f} s",
        flush=True,
    )
    return good


def main() -> None:
    """Run what is asked for; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--images", type=int, default=2000, help="of the runs that are killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--broken", type=int, default=5000)
    parser.add_argument("--many", type=int, default=50_000)
    parser.add_argument("--networks", action="store_true")
    arguments = parser.parse_args()
    check_data(FILM)
    extra = [] if arguments.networks else ["--stub"]
    with tempfile.TemporaryDirectory(prefix="litepose-scale-") as name:
        folder, good = Path(name), True
        if arguments.kills:
            good &= kills(folder, arguments.kills, arguments.images, arguments.seed, extra)
        if arguments.broken:
            good &= broken(folder, arguments.broken, extra)
        if arguments.many:
            good &= many(folder, arguments.many)
    raise SystemExit(not good)


if __name__ == "__main__":
    main()
