"""Cost of decoding bottom-up maps: the plain published procedure against ours, in one run.

    python -m benchmarks.budget.grouping [--people 1 5] [--repeats 15] [--peaks torch] [--json F]

The plain procedure is written from the description of LitePose's decoding (peaks by a 5x5
maximum, the 30 highest, matching by tags, quarter offsets, refinement by a search of the whole
map for every person); with scipy's assignment solver, and for the peaks PyTorch's max_pool2d and
topk, as the published code has them, or with `--peaks numpy` NumPy, which is faster. Both get the
same drawn maps, 17 joints at 224x224; ours reads the tags at 112x112, as the network gives them,
the plain one resized. Groups must be identical; people late to appear are left out, since there
the plain procedure's groups depend on its solver. One thread. Compare ratios, not times.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.budget.bars import Bar, finish
from litepose_edge import COCO_17
from litepose_edge.decoding import associative, peaks
from litepose_edge.geometry import Size
from litepose_edge.manifest import BottomUpSpec
from litepose_edge.measure.timing import no_preparation, time_call

SIDE, JOINTS, MOST = 224, 17, 30
LIMIT = 20.0
ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
SPEC = BottomUpSpec(coarse="coarse", fine="fine", skeleton=COCO_17)
Array = NDArray[Any]
PeakFinder = Callable[[Array, Array], tuple[Array, Array, Array, Array]]


def main() -> None:
    """Check that the groups agree, then time both in alternation."""
    options = arguments()
    cv2.setNumThreads(1)
    by_torch = options.peaks == "torch"
    if by_torch:
        import torch

        torch.set_num_threads(1)
    rows = [measure(people, options.repeats, torch_peaks if by_torch else numpy_peaks)
            for people in options.people]  # fmt: skip
    print(f"{'people':>6}{'plain':>10}{'ours':>9}{'ratio':>8}   with refinement"
          f"{'plain':>10}{'ours':>9}{'ratio':>8}   ms, medians")  # fmt: skip
    for row in rows:
        plain, ours = row["plain_ms"], row["ours_ms"]
        print(
            f"{row['people']:6}{plain[0]:10.2f}{ours[0]:9.3f}{plain[0] / ours[0]:7.1f}x"
            f"{'':18}{plain[1]:10.2f}{ours[1]:9.3f}{plain[1] / ours[1]:7.1f}x"
        )
    print(f"groups identical in {rows[0]['scenes']} scenes of each")
    bars = [
        Bar(
            name=f"AE grouping, plain procedure / ours, {row['people']} people{with_refinement}",
            figure=row["plain_ms"][refine] / row["ours_ms"][refine],
            limit=LIMIT,
            at_least=True,
        )
        for row in rows
        for refine, with_refinement in enumerate(("", ", refined"))
    ]
    finish({"rows": rows}, bars, options.json)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--peaks", choices=["torch", "numpy"], default="torch")
    parser.add_argument("--json", type=Path, help="write the report here as well")
    return parser.parse_args()


def measure(people: int, repeats: int, find: PeakFinder) -> dict[str, Any]:
    """Medians in milliseconds, without and with refinement."""
    scenes = [draw(np.random.default_rng(seed), people) for seed in range(repeats)]
    for heat, tags in scenes:
        check_same(heat, tags, find)
    samples: dict[str, list[list[float]]] = {"plain_ms": [[], []], "ours_ms": [[], []]}
    for heat, tags in scenes:
        resized = peaks.resize_maps(tags[0], Size(SIDE, SIDE))
        for refine in (False, True):
            plain = partial(plain_people, heat, resized, find, refine=refine)
            ours = partial(associative.find_people, heat, tags, SPEC, refine=refine)
            samples["plain_ms"][refine].append(best_of_3(plain))
            samples["ours_ms"][refine].append(best_of_3(ours))
    medians = {name: [float(np.median(part)) for part in parts] for name, parts in samples.items()}
    return {"people": people, "scenes": len(scenes), **medians}


def best_of_3(work: Callable[[], object]) -> float:
    """Milliseconds of the quickest of three runs."""
    return min(time_call(work, prepare=no_preparation)[1].wall_ms for _ in range(3))


def check_same(heat: Array, tags: Array, find: PeakFinder) -> None:
    """The same people by both, as sets of cells."""
    resized = peaks.resize_maps(tags[0], Size(SIDE, SIDE))
    plain = {
        tuple((j, *person[j][:2]) for j in sorted(person))
        for person in plain_groups(*find(heat, resized))
    }
    found = associative.find_people(heat, tags, SPEC, adjust=False, refine=False)
    ours = {
        tuple((j, *map(int, cells[j])) for j in np.flatnonzero(values).tolist())
        for cells, values in zip(found.cells, found.values, strict=True)
    }
    if plain != ours:
        raise SystemExit(f"groups differ: {len(plain)} people by the plain procedure, {len(ours)}")


def plain_people(
    heat: Array, tags: Array, find: PeakFinder, *, refine: bool
) -> list[dict[int, tuple[Any, ...]]]:
    """Heat and tags, both `(K, H, W)`, to people: joint -> (x, y, value, tag)."""
    people = plain_groups(*find(heat, tags))
    for person in people:
        for joint, (x, y, value, tag) in person.items():
            person[joint] = (*quarter(heat[joint], x, y), value, tag)
    if refine:
        for person in people:
            fill(person, heat, tags)
    return people


def torch_peaks(heat: Array, tags: Array) -> tuple[Array, Array, Array, Array]:
    """The 30 highest cells of each joint that a 5x5 maximum leaves: x, y, values, tags."""
    import torch

    maps = torch.from_numpy(heat)
    highest = torch.nn.functional.max_pool2d(maps[None], 5, 1, 2)[0]
    kept = (maps * (maps == highest).float()).flatten(1)
    values, top = kept.topk(MOST, dim=1)
    embedded = torch.from_numpy(tags).flatten(1).gather(1, top)
    width = heat.shape[2]
    return (top % width).numpy(), (top // width).numpy(), values.numpy(), embedded.numpy()


def numpy_peaks(heat: Array, tags: Array) -> tuple[Array, Array, Array, Array]:
    """The same without PyTorch."""
    joints, height, width = heat.shape
    padded = np.pad(heat, ((0, 0), (2, 2), (2, 2)), constant_values=-np.inf)
    highest = padded[:, :height, :width].copy()
    for down in range(5):
        for across in range(5):
            shifted = padded[:, down : down + height, across : across + width]
            highest = np.maximum(highest, shifted)
    kept = (heat * (heat == highest)).reshape(joints, -1)
    top = np.argpartition(-kept, MOST, axis=1)[:, :MOST]
    values = np.take_along_axis(kept, top, axis=1)
    order = np.argsort(-values, axis=1)
    top, values = np.take_along_axis(top, order, axis=1), np.take_along_axis(values, order, axis=1)
    embedded = np.take_along_axis(tags.reshape(joints, -1), top, axis=1)
    return top % width, top // width, values, embedded


def plain_groups(
    x: Array, y: Array, values: Array, tags: Array
) -> list[dict[int, tuple[Any, ...]]]:
    """Peaks to people, joint after joint."""
    people: list[dict[int, tuple[Any, ...]]] = []
    for joint in ORDER:
        chosen = [i for i in range(MOST) if values[joint, i] > SPEC.min_peak]
        found = [
            (int(x[joint, i]), int(y[joint, i]), values[joint, i], tags[joint, i]) for i in chosen
        ]
        if not found:
            continue
        if not people:
            people = [{joint: candidate} for candidate in found]
            continue
        means = [np.mean([member[3] for member in p.values()]) for p in people[:MOST]]
        distance = np.abs(np.array([c[3] for c in found])[:, None] - np.array(means)[None])
        cost = np.round(distance) * 100 - np.array([c[2] for c in found])[:, None]
        if len(found) > len(means):
            padding = np.full((len(found), len(found) - len(means)), 1e10)
            cost = np.concatenate([cost, padding], axis=1)
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            if column < len(means) and distance[row, column] < SPEC.max_tag_distance:
                people[column][joint] = found[row]
            else:
                people.append({joint: found[row]})
    return people


def quarter(heat: Array, x: int, y: int) -> tuple[float, float]:
    """A quarter cell towards the higher neighbour, then to the middle of the cell."""
    height, width = heat.shape
    right, left = heat[y, min(x + 1, width - 1)], heat[y, max(x - 1, 0)]
    below, above = heat[min(y + 1, height - 1), x], heat[max(y - 1, 0), x]
    return (
        x + (0.25 if right > left else -0.25) + 0.5,
        y + (0.25 if below > above else -0.25) + 0.5,
    )


def fill(person: dict[int, tuple[Any, ...]], heat: Array, tags: Array) -> None:
    """Give a person the joints that are missing, where heat and tag fit best."""
    mean = np.mean([tags[j, int(p[1]), int(p[0])] for j, p in person.items()])
    for joint in range(JOINTS):
        fitting = heat[joint] - np.round(np.abs(tags[joint] - mean))
        row, column = np.unravel_index(fitting.argmax(), fitting.shape)
        value = heat[joint, row, column]
        if joint not in person and value > 0:
            place = quarter(heat[joint], int(column), int(row))
            person[joint] = (*place, value, tags[joint, row, column])


def draw(rng: np.random.Generator, people: int) -> tuple[Array, Array]:
    """Heat `(17, 224, 224)` and tags `(1, 17, 112, 112)` of people a fifth of whose joints hide."""
    heat = rng.uniform(0, 0.05, (JOINTS, SIDE, SIDE)).astype(np.float32)
    tags = rng.normal(0, 0.05, (1, JOINTS, SIDE // 2, SIDE // 2)).astype(np.float32)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    # A grid of places keeps like joints apart; joints scatter around their person's.
    places = rng.permutation(36)[:people]
    for person, place in enumerate(places):
        middle = np.array([place % 6, place // 6]) * 37 + 20
        for joint in range(JOINTS):
            if joint and rng.uniform() < 0.2:
                continue
            x, y = middle + rng.integers(-12, 13, 2)
            bell = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8) * rng.uniform(0.4, 1)
            np.maximum(heat[joint], bell.astype(np.float32), out=heat[joint])
            part = tags[0, joint, max(y // 2 - 4, 0) : y // 2 + 5, max(x // 2 - 4, 0) : x // 2 + 5]
            part[:] = 2.5 * (person + 1) + rng.normal(0, 0.1, part.shape)
    return heat, tags


if __name__ == "__main__":
    main()
