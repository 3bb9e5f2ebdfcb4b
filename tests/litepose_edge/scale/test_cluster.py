"""The same archive on two Ray nodes of this machine; minutes, so with the slow proofs."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fake_labelling import ONCE, POISON, fake_job, write_picture, write_pictures
from litepose_edge.scale import LabelOptions, label, labelling
from litepose_edge.scale.workers import cluster as ours
from paths import ROOT

# Ray reads its settings when it is imported, and a process has one way of authentication: with
# "auto" it would use this user's token, of which the nodes here do not know.
for name, value in {**ours.ENVIRONMENT, "RAY_AUTH_MODE": "disabled"}.items():
    os.environ.setdefault(name, value)
ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # Ray's own: sockets, sub-processes, deprecations
]

OPTIONS = LabelOptions(shard_size=4)
STORE_BYTES = 100 << 20


@pytest.fixture
def nodes(monkeypatch, tmp_path):
    """Two nodes of a CPU each, whose workers know the fake networks."""
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(labelling, "make_job", fake_job)
    for name, value in ours.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests" / "helpers"), str(ROOT)]))
    monkeypatch.setenv("FAKE_FOLDER", str(tmp_path))
    monkeypatch.setenv("FAKE_PAUSE_S", "0.2")
    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


def contents(out: Path) -> dict[str, bytes]:
    files = [*(out / "people").iterdir(), out / "failures.parquet"]
    return {path.name: path.read_bytes() for path in files}


def test_two_nodes_make_what_local_processes_make_though_one_is_killed(nodes, tmp_path):
    write_pictures(tmp_path / "in", 60)
    write_picture(tmp_path / "in" / "0010once.png", width=ONCE)
    write_picture(tmp_path / "in" / "0030poison.png", width=POISON)
    (tmp_path / "in" / "0040broken.png").write_bytes(b"no picture")

    def kill():
        while len(list((tmp_path / "out").glob("people/*.parquet"))) < 3:
            time.sleep(0.05)
        (node,) = nodes.worker_nodes
        for processes in node.all_processes.values():
            for one in processes:
                os.kill(one.process.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    summary = label(tmp_path / "in", tmp_path / "out", OPTIONS, ray=nodes.address)
    killer.join(0)
    assert not killer.is_alive()
    assert not ray.is_initialized()
    kinds = sorted(row["kind"] for row in pq.read_table(summary.failures).to_pylist())
    assert kinds == ["killed", "source"]
    assert summary.frames == 61
    label(tmp_path / "in", tmp_path / "local", OPTIONS, workers=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "local")


def test_auto_joins_the_cluster_that_runs_here(nodes, tmp_path, monkeypatch):
    # Another cluster may run on this machine; Ray looks here first.
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)
    write_pictures(tmp_path / "in", 8)
    told, people = [], []
    summary = label(
        tmp_path / "in",
        tmp_path / "out",
        OPTIONS,
        ray="auto",
        on_start=told.append,
        on_frame=people.append,
    )
    assert told[-1].endswith("2 nodes, 2 CPUs")
    assert (len(people), sum(people)) == (summary.frames, summary.people)


def test_a_cluster_is_started_without_statistics_and_stopped(monkeypatch, tmp_path):
    """By `local`, as `auto` does where no other runs: it joins none of this machine's."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(labelling, "make_job", fake_job)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests" / "helpers"), str(ROOT)]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    write_pictures(tmp_path / "in", 8)
    seen: dict[int, bytes] = {}

    def look(text: str) -> None:
        if text.startswith("Ray "):
            seen.update(ray_processes())

    before = ray_processes()
    summary = label(
        tmp_path / "in", tmp_path / "out", OPTIONS, ray=ours.LOCAL, workers=1, on_start=look
    )
    assert summary.frames == 8
    started = {pid: environ for pid, environ in seen.items() if pid not in before}
    assert started
    assert all(b"RAY_USAGE_STATS_ENABLED=0" in environ for environ in started.values())
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
    deadline = time.monotonic() + 20
    while (left := ray_processes().keys() & started.keys()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def ray_processes() -> dict[int, bytes]:
    """Environments of the running raylets and servers of this user's clusters."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            if b"/raylet/raylet" in command or b"gcs_server" in command or b"dashboard" in command:
                found[int(path.name)] = (path / "environ").read_bytes()
        except OSError:
            continue
    return found


def test_a_pipeline_of_ones_own_has_poses(nodes, photographs):
    from litepose_edge.scale import PoseMapper

    ray.init(address=nodes.address, log_to_driver=False)
    try:
        path = str(photographs / "astronaut.png")
        dataset = ray.data.from_items([{"path": path, "camera": i} for i in range(3)])
        found = dataset.map_batches(
            PoseMapper, fn_constructor_kwargs={"model": "lrpose-n"}, num_cpus=1, concurrency=1
        )
        rows = found.take_all()
    finally:
        ray.shutdown()
    assert sorted(row["camera"] for row in rows) == [0, 1, 2]
    assert np.shape(rows[0]["keypoints"]) == (17, 2)
