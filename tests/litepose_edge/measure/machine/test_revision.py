"""The commit of a checkout."""

from __future__ import annotations

import pytest

from litepose_edge.measure.machine.revision import revision

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def git(tmp_path):
    folder = tmp_path / ".git"
    (folder / "refs" / "heads").mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    return folder


def test_a_branch_a_packed_branch_and_a_commit_of_its_own_are_read(git, tmp_path):
    (git / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
    assert revision(tmp_path / "package") == COMMIT[:12]
    (git / "refs" / "heads" / "main").unlink()
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{COMMIT} refs/heads/main\n")
    assert revision(tmp_path / "package") == COMMIT[:12]
    (git / "HEAD").write_text(f"{COMMIT}\n")
    assert revision(tmp_path / "package") == COMMIT[:12]


def test_without_a_checkout_there_is_none(git, tmp_path):
    assert revision(tmp_path / "package") is None  # a branch without a commit
    (git / "HEAD").write_bytes(b"\xff")
    assert revision(tmp_path / "package") is None
    assert revision(tmp_path / "elsewhere" / "package") is None
