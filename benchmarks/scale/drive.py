"""One run of `label` in a process of its own, with its memory: `python -m benchmarks.scale.drive`.

Prints one line of JSON: the summary, and the driver's resident memory as the run went on.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.scale.stub import stub_job
from litepose_edge.scale import LabelOptions, label, labelling

STATUS = Path("/proc/self/status")


def resident_mb() -> float:
    """This process's memory in RAM; 0 where the system does not say."""
    try:
        found = re.search(r"^VmRSS:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sources", nargs="*")
    parser.add_argument("--from", dest="lists", action="append", default=[])
    parser.add_argument("--out", required=True)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--ray")
    parser.add_argument("--stub", action="store_true", help="no networks")
    parser.add_argument("--options", default="{}", help="of LabelOptions, as JSON")
    parser.add_argument("--sample-every", type=int, default=1000, help="frames a memory sample")
    arguments = parser.parse_args()
    if arguments.stub:
        vars(labelling)["make_job"] = stub_job
    samples: list[tuple[int, float]] = []
    done = 0

    def on_frame(people: int) -> None:
        nonlocal done
        done += 1
        if done % arguments.sample_every == 0:
            samples.append((done, resident_mb()))

    summary = label(
        arguments.sources,
        arguments.out,
        LabelOptions(**json.loads(arguments.options)),
        lists=arguments.lists,
        workers=arguments.workers,
        ray=arguments.ray,
        on_frame=on_frame,
    )
    found: dict[str, Any] = {**asdict(summary), "memory_mb": samples}
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main()
