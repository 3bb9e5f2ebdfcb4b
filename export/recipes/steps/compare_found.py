"""Trains a search's network beside random and scaled ones of equal cost, all alike.

    python export/recipes/steps/compare_found.py found --data train.json --dev dev.json \
        --steps 4000 --seed 0 --out compared -- --rate 0.5

What follows `--` goes to `litepose-export train`. Prints a table of AP on dev and writes it to
OUT/compared.json. A run that was ended goes on.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from litepose_edge.atomic_files import make_folder, write_file
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.search.costs.measure import Measuring, measure_beside, measuring_of
from litepose_export.search.costs.table import CostTable, read_costs
from litepose_export.search.efficientpose.space import EfficientPoseSpace
from litepose_export.search.litepose.space import LitePoseSpace
from litepose_export.search.result import SearchResult, read_result
from litepose_export.search.space import Genes, Space
from litepose_export.search.spaces import equal_random, equal_uniform, space_of
from litepose_export.search.supernet.score import MakeSupernetScore, SupernetScore
from litepose_export.search.supernet.tasks import CropTask, Photographs, SceneTask
from litepose_export.training.core.checkpoint_file import write_checkpoint
from litepose_export.training.data.people import common_skeleton

TRAIN = "from litepose_export.cli import main; main()"
SCRATCH, SUPERNET = "scratch", "supernet"
DRAWN = 4  # random networks that are measured for each that is trained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("found", type=Path, help="folder of a finished search")
    parser.add_argument("--data", type=Path, required=True, help="COCO keypoint JSON")
    parser.add_argument("--dev", type=Path, required=True, help="COCO keypoint JSON to score on")
    parser.add_argument("--steps", type=int, required=True, help="of each training")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--random", type=int, default=3, help="random networks of equal cost")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--counter", help="as the search's, with arm-instructions")
    parser.add_argument(
        "--start",
        default=SCRATCH,
        help=f"weights of all of them: {SCRATCH}; {SUPERNET}, each its part of the search's; or "
        "a file for `train --init`",
    )
    parser.add_argument("--out", type=Path, required=True)
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options = parser.parse_args(sys.argv[1:end])
    options.train = sys.argv[end + 1 :]
    result = read_result(options.found / "result.json")
    table = read_costs(options.found / "costs.json")
    space = space_of(result, len(common_skeleton([read_coco(options.data)])))
    how = measuring_of(table.kind, options.counter)
    networks = _networks(result, table, space, how, options)
    part_of = _part_of_supernet(space, options) if options.start == SUPERNET else None
    make_folder(options.out)
    rows: list[dict[str, Any]] = []
    for name, (genes, cost) in networks.items():
        init = None if options.start == SCRATCH else Path(options.start)
        if part_of is not None:
            init = options.out / f"{name}-start.pt"
            write_checkpoint({"average": part_of(genes).state_dict(), "metadata": {}}, init)
        ap = _train(space, genes, options.out / name, init, options)
        rows.append({"network": name, "cost": cost, "ap": ap, "genes": genes})
        document = {
            "unit": table.unit,
            "steps": options.steps,
            "seed": options.seed,
            "start": options.start,
            "train": options.train,
            "rows": rows,
        }
        write_file(options.out / "compared.json", (json.dumps(document, indent=1) + "\n").encode())
        print(f"{name:<10} {cost:8.3f} {table.unit}  AP {ap:.4f}", flush=True)


def _networks(
    result: SearchResult,
    table: CostTable,
    space: Space,
    how: Measuring,
    options: argparse.Namespace,
) -> dict[str, tuple[Genes, float]]:
    """The found one, random ones of equal cost, and the scaled one, with their measured costs.

    Of random ones that cost the same by the table those are taken whose measured cost is nearest.
    """

    def cost(genes: Genes) -> float:
        return table.of(space, genes)

    found = result.chosen.genes
    rng = np.random.default_rng((options.seed, 11))
    drawn = (g for g in equal_random(space, cost, result.chosen.cost, rng) if g != found)
    others = list(itertools.islice(drawn, DRAWN * options.random))
    scaled = equal_uniform(space, cost, result.chosen.cost)
    genes = [found, scaled, *others]
    measured = measure_beside(table, space, genes, how, lambda _, __: lambda: None)
    pairs = list(zip(genes, measured, strict=True))
    wanted = measured[0]
    near = sorted(pairs[2:], key=lambda pair: abs(pair[1] / wanted - 1))[: options.random]
    named = {f"random-{number}": pair for number, pair in enumerate(near)}
    return {"found": pairs[0], **named, "uniform": pairs[1]}


def _part_of_supernet(space: Space, options: argparse.Namespace) -> Callable[[Genes], nn.Module]:
    """Makes a network with its part of the search's weights."""
    if isinstance(space, EfficientPoseSpace):
        raise SystemExit("the super-network favours the found network: give a checkpoint")
    photographs = Photographs((options.data,), options.dev)
    scene = isinstance(space, LitePoseSpace)
    task = SceneTask(photographs, space.keypoints) if scene else CropTask(photographs)
    checkpoint = options.found / "supernet" / "last.pt"
    return SupernetScore(MakeSupernetScore(space, task, checkpoint)).network


def _train(
    space: Space, genes: Genes, out: Path, init: Path | None, options: argparse.Namespace
) -> float:
    """AP on dev in the end, trained as `litepose-export train` does it."""
    architecture = out.with_suffix(".json")
    write_file(architecture, json.dumps(space.architecture(genes)).encode())
    command = [sys.executable, "-c", TRAIN, "train", str(architecture), "--out", str(out)]
    command += ["--data", str(options.data), "--dev", str(options.dev), "--device", "cpu"]
    command += ["--steps", str(options.steps), "--batch-size", str(options.batch_size)]
    command += ["--seed", str(options.seed), "--threads", str(options.threads)]
    command += ["--checkpoint-minutes", "1000", *options.train]
    if init is not None:
        command += ["--init", str(init)]
    subprocess.run(command, check=True)
    with (out / "log.csv").open(newline="") as file:
        return float(list(csv.DictReader(file))[-1]["ap"])


if __name__ == "__main__":
    main()
