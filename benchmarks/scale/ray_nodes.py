"""Two local Ray nodes against two local processes: the same bytes, in how much more time.

Needs photographs in `shared/data/coco/images` and the film in `shared/data/videos`; where they are
missing it ends with one sentence.

python -m benchmarks.scale.ray_nodes [--images 2000] [--repeats 3] [--stub] [--no-kill]

The archive is so many small photographs and the film of 1,394 frames, tracked. Local and Ray runs
alternate; the ratio is that of the medians, from the first input to the last shard. The start of
the two nodes is stated apart. Then one node is killed in the middle of a run. Wants both cores for
itself. Exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
from litepose_edge.scale.workers.cluster import ENVIRONMENT

BAR = 1.15
STORE_BYTES = 200 << 20


@contextmanager
def two_nodes() -> Iterator[Any]:
    """Two nodes of one CPU each on this machine, as `ray.cluster_utils.Cluster` starts them."""
    # Without a token, of which "ray start" would have asked.
    os.environ.update(ENVIRONMENT, RAY_AUTH_MODE="disabled")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    cluster: Any = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


def kill_node(cluster: Any, out: Path, shards: int) -> None:
    """Kill the second node's processes when so many shards are there."""
    while len(list(out.glob("people/*.parquet"))) < shards:
        time.sleep(0.05)
    (node,) = cluster.worker_nodes
    for processes in node.all_processes.values():
        for one in processes:
            os.kill(one.process.pid, signal.SIGKILL)


def main() -> None:
    """Run both, compare; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--side", type=int, default=320, help="of the photographs, in pixels")
    parser.add_argument("--every", type=int, default=1, help="of the film's frames")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-kill", action="store_true")
    parser.add_argument("--stub", action="store_true")
    arguments = parser.parse_args()
    check_data(FILM)
    with tempfile.TemporaryDirectory(prefix="litepose-ray-") as name:
        folder = Path(name)
        photographs = small_photographs(folder / "photographs", arguments.images, arguments.side)
        listed = write_list(folder / "list.txt", photographs, arguments.images, FILM)
        options = json.dumps({"track": True, "every": arguments.every, "shard_size": 32})
        run = ["--from", str(listed), "--options", options, "--workers", "2"]
        if arguments.stub:
            run += ["--stub"]
        began = time.monotonic()
        with two_nodes() as cluster:
            print(f"start of two nodes: {time.monotonic() - began:.1f} s", flush=True)
            good = compare(folder, run, cluster.address, arguments.repeats)
            if not arguments.no_kill:
                good &= with_a_node_killed(folder, run, cluster)
    raise SystemExit(not good)


def compare(folder: Path, run: list[str], address: str, repeats: int) -> bool:
    """Local and Ray in turn: bytes and times."""
    seconds: dict[str, list[float]] = {"local": [], "ray": []}
    digests = set()
    for number in range(repeats):
        for kind, extra in (("local", []), ("ray", ["--ray", address])):
            out = folder / f"{kind}-{number}"
            found = drive(*run, *extra, "--out", str(out))
            seconds[kind].append(found["seconds"])
            digests.add(digest(out))
            print(
                f"{kind}: {found['frames']} frames, {found['people']} people, "
                f"{found['seconds']:.1f} s, before that {found['start_seconds']:.1f} s; "
                f"{found['shards']} shards, {found['failed']} failed",
                flush=True,
            )
    ratio = statistics.median(seconds["ray"]) / statistics.median(seconds["local"])
    same = len(digests) == 1
    print(f"bytes: {'the same' if same else 'DIFFERENT'}; Ray / local {ratio:.3f} (bar {BAR})")
    return same and ratio <= BAR


def with_a_node_killed(folder: Path, run: list[str], cluster: Any) -> bool:
    """Half of the shards there, one of two nodes gone."""
    wanted = folder / "local-0"
    out = folder / "killed"
    shards = len(list(wanted.glob("people/*.parquet"))) // 2
    killer = threading.Thread(target=kill_node, args=(cluster, out, shards), daemon=True)
    driver = subprocess.Popen(
        command(*run, "--ray", cluster.address, "--out", out), cwd=ROOT, stdout=subprocess.PIPE
    )
    killer.start()
    output, _ = driver.communicate()
    killer.join(1)
    equal = driver.returncode == 0 and digest(out) == digest(wanted)
    found = json.loads(output.splitlines()[-1]) if driver.returncode == 0 else {}
    print(
        f"one node killed after {shards} shards: "
        f"{'complete and equal' if equal else 'DIFFERENT'}, {found.get('seconds', 0):.1f} s, "
        f"{found.get('failed')} failed",
        flush=True,
    )
    return equal


if __name__ == "__main__":
    main()
