"""Manifests of users' networks: values that do not fit each other are one error of the library."""

from __future__ import annotations

import pytest

import litepose_export as lx
from litepose_edge import Skeleton
from litepose_edge.errors import ManifestError
from litepose_export.cli import app

REPEATED = Skeleton(
    name="repeated", keypoint_names=("a", "a"), bones=(), flip_pairs=(), oks_sigmas=(0.1, 0.1)
)


@pytest.mark.parametrize(
    ("describe", "values", "message"),
    [
        (lx.heatmap_manifest, {"blur_kernel": 10}, "`blur_kernel` must be odd, got 10$"),
        (lx.heatmap_manifest, {"skeleton": REPEATED}, "names 'a' 2 times"),
        (lx.simcc_manifest, {"window": 4}, "`window` must be odd, got 4$"),
        (lx.simcc_manifest, {"outputs": ("x", "x")}, "both are 'x'$"),
        (lx.simcc_manifest, {"skeleton": REPEATED}, "names 'a' 2 times"),
        (lx.regression_manifest, {"order": ("x", "x", "y")}, r"got \('x', 'x', 'y'\)$"),
        (lx.regression_manifest, {"skeleton": REPEATED}, "names 'a' 2 times"),
        (lx.bottom_up_manifest, {"outputs": ("maps", "maps")}, "both are 'maps'$"),
        (lx.bottom_up_manifest, {"skeleton": REPEATED}, "names 'a' 2 times"),
        (lx.one_stage_manifest, {"skeleton": REPEATED}, "names 'a' 2 times"),
        (lx.one_stage_manifest, {"classes": 2, "person": 2}, "one of 2 classes"),
    ],
)
def test_values_at_odds_are_a_manifest_error(describe, values, message):
    with pytest.raises(ManifestError, match=message):
        describe("own", input_size=(64, 64), **values)


def test_the_command_says_it_in_one_line(tmp_path, capsys):
    out = tmp_path / "m.json"
    arguments = ["manifest", "--head", "heatmaps", "--size", "64x64", "--blur-kernel", "10"]
    assert app.run([*arguments, "--out", str(out)]) == 3
    assert "error: the manifest is invalid: `blur_kernel` must be odd" in capsys.readouterr().err
    assert not out.exists()
