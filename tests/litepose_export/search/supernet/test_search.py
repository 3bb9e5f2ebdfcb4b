"""How a search with a supernet divides its minutes."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

from litepose_edge.geometry import Size
from litepose_export.search.job import SILENT, SearchJob
from litepose_export.search.lrpose.space import LRPoseSpace
from litepose_export.search.run_folder import RunFolder
from litepose_export.search.supernet import search, tasks
from litepose_export.search.supernet.training import SupernetOptions, SupernetTraining


def test_a_trial_that_was_killed_does_not_count_loading_as_steps(
    photo_dataset, tmp_path, monkeypatch
):
    space = LRPoseSpace(17, [Size(64, 96)])
    photographs = tasks.Photographs((photo_dataset,), photo_dataset)
    job = SearchJob(
        data=(photo_dataset,),
        dev=photo_dataset,
        folder=tmp_path,
        kind="macs",
        budget=40.0,
        minutes=1.0,
        batch=2,
    )
    killed = SupernetTraining(
        space,
        tasks.CropTask(photographs),
        search.TRIAL_STEPS,
        tmp_path / "trial",
        SupernetOptions(),
        batch=job.batch,
    )
    killed.run(SILENT)  # its weights are left in the folder
    slept: list[float] = []

    def load_for_an_hour(datasets):
        slept.append(3600.0)
        return load(datasets)

    load = tasks.load_people
    monkeypatch.setattr(tasks, "load_people", load_for_an_hour)
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + sum(slept))
    monkeypatch.setattr(search, "time", clock)
    plan = search._plan(
        space,
        tasks.CropTask(photographs),
        job,
        search.SupernetSearch(score="loss"),
        RunFolder(tmp_path / "search", {}),
        SILENT,
    )
    assert slept
    assert plan.steps > search.TRIAL_STEPS
