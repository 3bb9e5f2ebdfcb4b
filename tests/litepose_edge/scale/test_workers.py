"""Worker processes: the same bytes, inputs that kill, a driver that is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import onnxruntime
import pyarrow.parquet as pq
import pytest

from fake_labelling import ONCE, POISON, DyingJob, write_picture, write_pictures
from litepose_edge.errors import ModelError, WorkerError
from litepose_edge.scale import LabelOptions, label, labelling
from litepose_edge.scale.units import Unit
from litepose_edge.scale.work import Job, package_versions
from litepose_edge.scale.workers import process
from litepose_edge.scale.workers.process import WorkerProcess

OPTIONS = LabelOptions(shard_size=4)
DRIVER = """
import sys
from litepose_edge.scale import LabelOptions, label, labelling
from fake_labelling import fake_job
labelling.make_job = fake_job
label(sys.argv[1], sys.argv[2], LabelOptions(shard_size=4), workers=2)
"""


def people(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "people").iterdir()}


def test_processes_make_what_one_process_makes_and_survive_their_inputs(fake):
    """One archive for several claims: a process takes half a second to start."""
    write_pictures(fake / "in", 12)
    write_picture(fake / "in" / "0003once.png", people=1, width=ONCE)
    write_picture(fake / "in" / "0006poison.png", width=POISON)
    told = []
    summary = label(fake / "in", fake / "out", OPTIONS, workers=1, on_frame=told.append)
    (failure,) = pq.read_table(summary.failures).to_pylist()
    assert failure == {
        "source": str(fake / "in" / "0006poison.png"),
        "kind": "killed",
        "reason": "its worker process was ended by SIGKILL, twice",
    }
    assert summary.frames == 13
    assert sum(told) >= summary.people
    # The poison is left out, as its failure is no row.
    shards = people(fake / "out")
    (fake / "in" / "0006poison.png").write_bytes(b"no picture")
    label(fake / "in", fake / "here", OPTIONS, workers=0)
    assert people(fake / "here") == shards


def test_what_is_no_inputs_fault_ends_the_run(fake, monkeypatch):
    write_pictures(fake / "in", 4)
    real = Job(OPTIONS, "fake", ("nose",), {"model": "0" * 64})
    monkeypatch.setattr(labelling, "make_job", lambda options: real)
    with pytest.raises(ModelError, match="same files"):
        label(fake / "in", fake / "out", OPTIONS, workers=1)
    assert list((fake / "out" / "people").iterdir()) == []


def test_a_machine_with_other_packages_is_refused():
    job = Job(OPTIONS, "fake", ("nose",), {}, {"pyarrow": "0.1"})
    with pytest.raises(WorkerError, match=r"has pyarrow .*, the driver's has 0\.1: install"):
        job.open()
    assert all(package_versions("onnxruntime").values())
    assert package_versions("onnxruntime")["ONNX Runtime"] == onnxruntime.__version__
    assert "OpenVINO" in package_versions("openvino")


def test_processes_that_die_before_any_input_end_the_run(monkeypatch):
    monkeypatch.setattr(process, "DEATHS_AT_START", 2)
    worker = WorkerProcess(DyingJob())
    with pytest.raises(WorkerError, match="before their first image, 2 times"):
        worker.run(Unit("0" * 32, ("a.jpg",), "/"), lambda people: None)
    worker.close()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_workers_end_with_a_killed_driver_and_a_second_run_completes(fake):
    write_pictures(fake / "in", 24)
    environment = {
        **os.environ,
        "FAKE_PAUSE_S": "0.05",
        "FAKE_FOLDER": str(fake),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(fake / "in"), str(fake / "out")], env=environment
    )
    deadline = time.monotonic() + 60
    # A shard counts once its notes are there: those of the first are when there is a second.
    while len(list((fake / "out").glob("people/*.parquet"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    children = children_of(driver.pid)
    assert len(children) == 2
    driver.kill()
    driver.wait()
    while any(map(is_running, children)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(is_running, children))
    summary = label(fake / "in", fake / "out", OPTIONS, workers=0)
    assert summary.kept > 0
    assert summary.shards > 0
    label(fake / "in", fake / "whole", OPTIONS, workers=0)
    assert people(fake / "out") == people(fake / "whole")


def children_of(process: int) -> list[int]:
    path = Path(f"/proc/{process}/task")
    found = [(task / "children").read_text().split() for task in path.iterdir()]
    return [int(child) for children in found for child in children]


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_callers_error_is_not_taken_for_a_dead_process(fake):
    write_pictures(fake / "in", 3)

    def on_frame(people):
        raise BrokenPipeError("the caller's")

    with pytest.raises(BrokenPipeError, match="the caller's"):
        label(fake / "in", fake / "out", LabelOptions(), workers=1, on_frame=on_frame)
