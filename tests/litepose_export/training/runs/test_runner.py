"""What a run records of itself."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_export.training.runs.runner import commit_id  # noqa: E402


def test_the_commit_is_what_git_says_and_unknown_where_there_is_none(tmp_path, monkeypatch):
    assert re.fullmatch("[0-9a-f]{40}|unknown", commit_id())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit_id() == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))  # without git
    assert commit_id() == "unknown"
