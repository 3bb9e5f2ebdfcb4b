"""The ablation study's tables: how much each variant brings, and how soon."""

from __future__ import annotations

import json

from recipes.ablations import tables
from recipes.results_page import page


def record(name, seed, ap, curve):
    points = [{"crops": c, "ap": a, "loss": 1.0} for c, a in curve]
    scores = {"dark": ap, "quarter": ap - 0.01, "argmax": ap - 0.03}
    parts = {"stride": 8}
    fixed = {
        "crops": 1000, "input": [96, 128], "macs": 40_000_000, "variant": {"parts": parts}
    }  # fmt: skip
    return {"name": name, "seed": seed, "ap": scores, "curve": points, **fixed}


def test_the_page_says_how_much_and_how_soon(tmp_path):
    folder = tmp_path / "experiments" / "runs" / "ablations"
    folder.mkdir(parents=True)
    for made in (
        record("mse-8", 0, 0.10, [(500, 0.04)]),
        record("mse-8", 1, 0.12, [(500, 0.06)]),
        record("rce-8", 0, 0.22, [(500, 0.11)]),
        record("rce-8", 1, 0.20, [(500, 0.11)]),
    ):
        (folder / f"{made['name']}-{made['seed']}.json").write_text(json.dumps(made))
    speed = {"rce-8": {"int8": 1.25, "fp32": 2.5}, "rce-4": {"int8": 3.0, "fp32": 4.0}}
    (folder.parent / "ablation-speed.json").write_text(json.dumps(speed))
    text = page(tmp_path)
    assert "| Loss, stride 8 | MSE | 0.110 +- 0.010 |  |" in text
    assert "|  | RCE | 0.210 +- 0.010 | +10.0 | 500 | 40 M | 1.25 | 2 |" in text
    assert "| 8 | 0.210 +- 0.010 | 0.200 +- 0.010 | 0.180 +- 0.010 |" in text
    assert "Teacher" not in text  # one of two was not run


def test_crops_to_an_ap_are_interpolated_and_runs_that_never_reach_it_are_said():
    slow, fast = record("a", 0, 0.1, [(500, 0.02)]), record("a", 1, 0.3, [(500, 0.2)])
    assert tables.crops_to([fast], 0.25) == "750"
    assert tables.crops_to([fast, slow], 0.25) == "1 of 2 runs"
    assert tables.crops_to([slow], 0.25) == "not reached"
