"""DARK's sub-pixel decoding: the plain loop over maps against ours, in one run.

    python -m benchmarks.budget.dark [--people 1 20] [--repeats 60] [--json FILE]

Both get the same logits of the default network's map size: drawn bells, a tenth of them beyond
the border or flat. The keypoints must agree; both apply the sigmoid. One thread. Compare ratios.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.budget.bars import Bar, finish
from benchmarks.micro.plain import dark, sigmoid
from litepose_edge.backends import find_model
from litepose_edge.decoding import heatmaps
from litepose_edge.geometry import Size
from litepose_edge.manifest import HeatmapSpec, TopDownSpec
from litepose_edge.measure.timing import time_call
from litepose_edge.testing import gaussian_heatmaps, logits

MODEL = "lrpose-s"
STRIDE = 8
LIMITS = {1: 10.0, 20: 30.0}
MOST_PX = 1e-4
SCENES = 20

Array = NDArray[Any]


def main() -> None:
    """Check that both agree, then time them in alternation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, nargs="+", default=sorted(LIMITS))
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--json", type=Path, help="write the report here as well")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    spec = find_model(MODEL).manifest
    assert isinstance(spec.model, TopDownSpec)
    head = spec.model.head
    assert isinstance(head, HeatmapSpec)
    input_size = spec.input.size
    map_size = Size(input_size.width // STRIDE, input_size.height // STRIDE)
    rows, bars = [], []
    for people in options.people:
        row = measure(people, options.repeats, map_size, input_size, head.blur_kernel)
        rows.append(row)
        print(
            f"{people:3} people: plain {row['plain_us']:.0f}, ours {row['ours_us']:.1f} us a person"
        )
        if people in LIMITS:
            bars.append(
                Bar(
                    name=f"DARK, plain loop / ours, {people} people",
                    figure=row["plain_us"] / row["ours_us"],
                    limit=LIMITS[people],
                    at_least=True,
                )
            )
    worst = max(row["difference_px"] for row in rows)
    bars.append(
        Bar(name="DARK, largest difference to the loop", figure=worst, limit=MOST_PX, unit=" px")
    )
    finish({"rows": rows}, bars, options.json)


def measure(
    people: int, repeats: int, map_size: Size, input_size: Size, kernel: int
) -> dict[str, float]:
    """Microseconds a person, and the largest distance of the keypoints in input pixels."""
    scenes = [draw(np.random.default_rng(seed), people, map_size) for seed in range(SCENES)]

    def loop(maps: Array) -> Array:
        return np.stack([dark(sigmoid(part), kernel)[0] for part in maps])

    def ours(maps: Array) -> Array:
        return heatmaps.decode_heatmaps(maps, blur_kernel=kernel)[0]

    distances = [
        np.linalg.norm(
            heatmaps.cells_to_input(ours(maps), map_size, input_size)
            - heatmaps.cells_to_input(loop(maps).astype(np.float32), map_size, input_size),
            axis=-1,
        ).max()
        for maps in scenes
    ]
    plain_ms, ours_ms = [], []
    for number in range(repeats):
        maps = scenes[number % SCENES]
        plain_ms.append(time_call(partial(loop, maps))[1].wall_ms)
        ours_ms.append(time_call(partial(ours, maps))[1].wall_ms)
    return {
        "people": people,
        "plain_us": float(np.median(plain_ms)) * 1e3 / people,
        "ours_us": float(np.median(ours_ms)) * 1e3 / people,
        "difference_px": float(max(distances)),
    }


def draw(rng: np.random.Generator, people: int, size: Size, joints: int = 17) -> Array:
    """Logits `(people, joints, h, w)` float32."""
    extent = np.array([size.width, size.height])
    cells = rng.uniform(-0.05, 1.05, (people, joints, 2)) * (extent - 1)
    heat = gaussian_heatmaps(cells, size.height, size.width, sigma=1.5)
    heat *= rng.choice([0.02, 0.3, 0.9], (people, joints, 1, 1), p=[0.1, 0.3, 0.6])
    heat += rng.uniform(0.001, 0.01, heat.shape)
    return logits(heat.astype(np.float32))


if __name__ == "__main__":
    main()
