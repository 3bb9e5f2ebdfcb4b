"""Damaged archives of arrays end in one kind of error that says what to do."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.training.data.array_file import MADE_AGAIN, read_arrays  # noqa: E402
from litepose_export.training.data.distillation_targets import (  # noqa: E402
    load_distillation_targets,
)
from litepose_export.training.data.person_masks import load_person_masks  # noqa: E402


def test_whatever_is_damaged_is_read_whole_or_refused(tmp_path):
    path = tmp_path / "arrays.npz"
    arrays = {"a": np.arange(5), "b": np.arange(3.0)}
    np.savez(path, **arrays)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            found = read_arrays(path, ("a", "b"), MADE_AGAIN)
        except ExportError:
            refused += 1
        else:
            assert all((found[name] == values).all() for name, values in arrays.items())
    assert refused > 200


@pytest.mark.parametrize("load", [load_distillation_targets, load_person_masks])
def test_a_cut_file_of_a_run_can_be_removed(load, tmp_path):
    path = tmp_path / "kept.npz"
    np.savez(path, maps=np.zeros((2, 17, 32, 24), np.uint8))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ExportError, match=r"kept\.npz .*remove it, and it is made again"):
        load(path, "of these people")
