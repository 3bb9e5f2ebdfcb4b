"""What the tests of labelling share: a fake job in the place of the networks."""

from __future__ import annotations

import pytest

from fake_labelling import fake_job, write_pictures
from litepose_edge.scale import labelling


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """`label` with people told by pixels; what workers leave lies in the test's folder."""
    monkeypatch.setattr(labelling, "make_job", fake_job)
    monkeypatch.setenv("FAKE_FOLDER", str(tmp_path))
    monkeypatch.setattr("litepose_edge.scale.work._estimator", None)
    return tmp_path


@pytest.fixture
def archive(fake):
    """A folder of 20 pictures."""
    write_pictures(fake / "in", 20)
    return fake / "in"
