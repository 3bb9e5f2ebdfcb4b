"""The gate's bounds, and the comparison of both files' latency."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.figures import GateFigures  # noqa: E402
from litepose_export.quantization.gate.bounds import Bounds, find_failures, used_part  # noqa: E402
from litepose_export.quantization.gate.latency import compare_latency  # noqa: E402

GOOD = GateFigures(
    10,
    joints=90,
    joints_part=0.8,
    shift_px=0.2,
    p95_px=1.0,
    oks=0.99,
    recall=0.97,
    ap_float=0.5,
    ap_int8=0.499,
)


def test_figures_within_the_bounds_pass():
    assert find_failures(GOOD, Bounds(), joints_expected=True) == []


@pytest.mark.parametrize(
    ("bounds", "failure"),
    [
        (Bounds(max_shift_px=0.1), "median"),
        (Bounds(max_p95_px=0.5), "percentile"),
        (Bounds(max_ap_drop=0.0005), "AP"),
        (Bounds(min_recall=0.98), "recall"),
        (Bounds(min_oks=0.995), "similarity"),
    ],
)
def test_each_bound_is_checked_by_itself(bounds, failure):
    (found,) = find_failures(GOOD, bounds, joints_expected=True)
    assert failure in found


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    "name", ["max_shift_px", "max_p95_px", "max_ap_drop", "min_recall", "min_oks"]
)
def test_a_bound_that_is_no_finite_number_is_refused(name, value):
    with pytest.raises(ExportError, match=f"{name} must be a finite number, .*, got {value}$"):
        Bounds(**{name: float(value)})


@pytest.mark.parametrize("name", ["shift_px", "p95_px", "ap_int8", "recall", "oks"])
def test_a_figure_that_is_no_number_does_not_pass(name):
    figures = replace(GOOD, **{name: float("nan")})
    (found,) = find_failures(figures, Bounds(), joints_expected=True)
    assert " nan, " in found


def test_the_latency_comparison_says_which_file_is_faster(prepared, batches):
    found = compare_latency(prepared, prepared, batches[0], seconds=0.05)
    assert found.rounds >= 30
    assert 0.3 < found.ratio < 3
    assert str(found).startswith("INT8 is")


@pytest.mark.parametrize(
    ("bounds", "part"),
    [
        (Bounds(), 0.4),  # the median shift, .2 of .5
        (Bounds(max_shift_px=None, max_p95_px=2.0), 0.5),
        (Bounds(None, None, 0.002, None, None), 0.5),
        (Bounds(None, None, None, 0.94, None), 0.5),
        (Bounds(None, None, None, None, 0.98), 0.5),
        (Bounds(None, None, None, None, None), 0.0),
    ],
)
def test_the_part_of_the_bounds_that_a_file_uses_is_that_of_its_worst_figure(bounds, part):
    assert used_part(GOOD, bounds) == pytest.approx(part)
    assert used_part(GateFigures(0), bounds) == float("inf")
