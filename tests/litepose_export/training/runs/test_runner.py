"""What a run records of itself, and what it draws when it goes on."""

from __future__ import annotations

import re

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.distributed.processes import Processes  # noqa: E402
from litepose_export.training.runs.options import DetectorRunOptions, RunOptions  # noqa: E402
from litepose_export.training.runs.runner import commit_id, prepare, sample_seed  # noqa: E402


def test_the_commit_is_what_git_says_and_unknown_where_there_is_none(tmp_path, monkeypatch):
    assert re.fullmatch("[0-9a-f]{40}|unknown", commit_id())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit_id() == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))  # without git
    assert commit_id() == "unknown"


def test_a_device_that_is_not_known_is_refused(tmp_path):
    options = DetectorRunOptions(data=(), folder=tmp_path, budget=Budget(steps=1), device="cuda:1")
    with pytest.raises(ExportError, match=r"got 'cuda:1'; CUDA_VISIBLE_DEVICES"):
        prepare(options)


def test_a_run_that_goes_on_draws_other_samples_than_at_its_beginning(tmp_path):
    options = RunOptions(data=(), folder=tmp_path, seed=5)
    seeds = [sample_seed(options)]
    assert seeds == [5]
    for step in (3, 4, 4):
        torch.save({"step": step}, tmp_path / "last.pt")
        seeds.append(sample_seed(options))
    assert len(set(seeds)) == 3
    assert seeds[2] == seeds[3]  # the same step, the same samples


def test_a_folder_that_was_just_begun_keeps_the_seed(tmp_path):
    torch.save({"step": 0}, tmp_path / "last.pt")
    assert sample_seed(RunOptions(data=(), folder=tmp_path, seed=5), Processes()) == 5
