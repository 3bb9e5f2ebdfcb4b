"""What an archive of so many frames takes: hours, disk, money, from rates measured here.

Needs photographs in `shared/data/coco/images` and the film in `shared/data/videos`; where they are
missing it ends with one sentence.

python -m benchmarks.scale.sizing [--images 300] [--core-hour 0.04]

Rates are frames a second of CPU time of one worker with one thread, networks opened before; CPU
time is what a core needs when it has nothing else to do. The rest is arithmetic, printed as a
Markdown table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.scale.archives import FILM, PHOTOGRAPHS, check_data
from litepose_edge.scale import LabelOptions
from litepose_edge.scale.units import Unit, cut_into_units
from litepose_edge.scale.work import make_job

ARCHIVES = (10**6, 10**7, 10**8)
CORES = (8, 64, 512)
# Of a unit in the set of those that were seen, by tracemalloc.
DIGEST_BYTES = 91
SHARD_SIZE = 1024


@dataclass(frozen=True, slots=True)
class Rate:
    """What one core does.

    Attributes:
        name: Of the kind of archive.
        frames_s: Frames a second of CPU time.
        people: A frame.
        bytes_a_person: Of the shards.
    """

    name: str
    frames_s: float
    people: float
    bytes_a_person: float


def measure(name: str, options: LabelOptions, sources: list[str]) -> Rate:
    """Label the sources in this process."""
    labeller = make_job(options).open()
    units = list(cut_into_units(sources, options.shard_size, "sizing"))
    first = Unit(units[0].name, units[0].sources[:1], units[0].folder)
    if len(units[0].sources) > 1:
        labeller.run(first, {}, lambda at: None, lambda people: None)
    frames = people = size = 0
    began = time.process_time()
    for unit in units:
        result = labeller.run(unit, {}, lambda at: None, lambda people: None)
        frames, people = frames + result.frames, people + result.people
        size += len(result.shard or b"")
    seconds = time.process_time() - began
    return Rate(name, frames / seconds, people / frames, size / max(people, 1))


def rates(images: int, every: int) -> Iterator[Rate]:
    """Photographs and a film, each as usual and quicker."""
    photographs = [str(path) for path in sorted(PHOTOGRAPHS.glob("*.jpg"))[:images]]
    for model in ("lrpose-n", "lrpose-s", "lrpose-m"):
        options = LabelOptions(model=model, shard_size=SHARD_SIZE)
        yield measure(f"photographs, {model}", options, photographs)
    quick = LabelOptions(detector_size=224, shard_size=SHARD_SIZE)
    yield measure("photographs, lrpose-s, detector 224", quick, photographs)
    film = [str(FILM)]
    yield measure("film, lrpose-s, each frame", LabelOptions(every=every), film)
    yield measure("film, lrpose-s, tracked", LabelOptions(every=every, track=True), film)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--every", type=int, default=3, help="of the film's frames")
    parser.add_argument("--core-hour", type=float, default=0.04, help="price of a core's hour")
    arguments = parser.parse_args()
    check_data(FILM)
    found = []
    print("| archive | frames a second a core | people a second a core | bytes a person |")
    print("|---|---|---|---|")
    for rate in rates(arguments.images, arguments.every):
        found.append(rate)
        print(
            f"| {rate.name} | {rate.frames_s:.1f} | {rate.frames_s * rate.people:.1f} | "
            f"{rate.bytes_a_person:.0f} |",
            flush=True,
        )
    hours = " | ".join(f"{cores} cores" for cores in CORES)
    print(f"\n| frames | core hours | {hours} | shards | disk | driver | cost |")
    print("|---|---|---|---|---|---|---|---|---|")
    usual = next(rate for rate in found if rate.name == "photographs, lrpose-s")
    for frames in ARCHIVES:
        core_hours = frames / usual.frames_s / 3600
        shards = frames / SHARD_SIZE
        disk_gb = frames * usual.people * usual.bytes_a_person / 1e9
        times = " | ".join(f"{core_hours / cores:.1f} h" for cores in CORES)
        print(
            f"| {frames:.0e} | {core_hours:.0f} | {times} | {shards:.0f} | {disk_gb:.1f} GB | "
            f"{shards * DIGEST_BYTES / 1e6:.1f} MB | {core_hours * arguments.core_hour:.0f} |"
        )


if __name__ == "__main__":
    main()
