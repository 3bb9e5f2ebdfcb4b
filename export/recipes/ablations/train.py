"""Short runs of equal budget, one for each variant; `tables.py` compares them.

    python -m recipes.ablations.train DATA [--peers PEERS] [--only rce-8 mse-8] [--seeds 0 1]
        [--crops 45000] [--out docs/experiments/runs/ablations]

Every run leaves one JSON file; runs whose file is there are skipped, so that the set can be
continued, or shared out among processes with --only.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from litepose_edge.manifest import Refinement
from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco
from litepose_export.models.architectures.ablation import AblationPose
from litepose_export.models.counting import count
from litepose_export.training.core.loop import Budget, Progress, Trainer
from litepose_export.training.core.losses import activation
from litepose_export.training.core.pose_loss import PoseLoss
from litepose_export.training.core.schedule import Phase, Schedule
from litepose_export.training.core.target_options import TargetOptions
from litepose_export.training.core.validation import Validator
from litepose_export.training.data import augmentation
from litepose_export.training.data.content_hash import hash_people
from litepose_export.training.data.crop_sampler import CropSampler
from litepose_export.training.data.distillation_targets import (
    DistillationTargets,
    load_distillation_targets,
    save_distillation_targets,
)
from litepose_export.training.data.people import People, data_hash, load_people
from litepose_export.training.data.prefetcher import Prefetcher
from litepose_export.training.distillation.teacher import distill, open_teacher
from litepose_export.training.runs.runner import commit_id
from recipes.ablations.variants import INPUT, VARIANTS, Variant

BATCH = 64
EVALUATIONS = 6  # of a run, evenly spread
REFINEMENTS: tuple[Refinement, ...] = ("dark", "quarter", "argmax")


@dataclass(frozen=True, slots=True)
class Material:
    """What all runs share."""

    datasets: list[CocoDataset]
    people: People
    targets: DistillationTargets | None
    dev: CocoDataset


def main() -> None:
    """Run what is asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with coco/ and lspet/")
    parser.add_argument("--peers", type=Path, help="folder with pose/: the teachers")
    parser.add_argument("--targets", type=Path, help="where the teachers' outputs are kept")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--crops", type=int, default=45_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments/runs/ablations"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    wanted = [(name, seed) for seed in options.seeds for name in options.only]
    wanted = [(n, s) for n, s in wanted if not record_path(options.out, n, s).exists()]
    if not wanted:
        print("all runs are there")
        return
    material = load(options.data, options.peers, options.targets)
    for name, seed in wanted:
        record = run(name, VARIANTS[name], seed, options.crops, material)
        path = record_path(options.out, name, seed)
        path.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        print(
            f"{path.stem:20} AP {record['ap']['dark']:.4f}  {record['minutes']:.1f} min", flush=True
        )


def record_path(folder: Path, name: str, seed: int) -> Path:
    """Where a run's record lies."""
    return folder / f"{name}-{seed}.json"


def load(data: Path, peers: Path | None, targets_path: Path | None) -> Material:
    """Photographs, labels and the teachers' outputs."""
    datasets = [read_coco(data / name / "train.json") for name in ("coco", "lspet")]
    people = load_people(datasets)
    targets = None
    files: tuple[Path, ...] = ()
    if peers is not None:
        pose = peers / "pose"
        files = (pose / "pptinypose_256x192/model.xml", pose / "ultralight_simplepose_256x192.onnx")
    made_of = hash_people(people, files) if files else None
    if targets_path is not None and targets_path.exists():
        targets = load_distillation_targets(targets_path, made_of)
    if targets is None and made_of is not None:
        first, second = (open_teacher(path) for path in files)
        targets = distill(people, first, second, lambda: None)
        if targets_path is not None:
            save_distillation_targets(targets, targets_path, made_of)
    return Material(datasets, people, targets, read_coco(data / "coco" / "dev.json"))


def run(name: str, variant: Variant, seed: int, crops: int, material: Material) -> dict[str, Any]:
    """Train one network, scored as it goes."""
    torch.manual_seed(seed)
    heat = activation(variant.loss)
    bias = 0.0 if heat == "linear" else -4.5
    network = AblationPose(variant.parts, bias=bias)
    steps = round(crops * variant.part / BATCH)
    # Twice a long run's rates, at which so short a run gets further.
    schedule = Schedule(
        phases=(Phase(1.0, INPUT),),
        batch=BATCH,
        learning_rate=4e-3,
        muon_rate=0.04,
        warmup_steps=max(1, min(100, steps // 4)),
    )
    teacher_targets = material.targets if variant.teacher_share > 0 else None
    people, teacher_targets = some_of(material.people, teacher_targets, variant.people, seed)
    sampler = CropSampler(people, teacher_targets, augmentation.WEAK, seed)
    prefetcher = Prefetcher(sampler)
    targets = TargetOptions(stride=variant.parts.stride, teacher_share=variant.teacher_share)
    score = Validator(material.dev, INPUT, activation=heat, refinement="dark")
    curve: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            network,
            batches=lambda size, shares: prefetcher.batches(BATCH, size, shares),
            loss=PoseLoss(targets, kind=variant.loss),
            schedule=schedule,
            budget=Budget(steps=steps),
            folder=Path(folder),
            sources=len(material.datasets),
        )
        every = max(20, steps // EVALUATIONS // 20 * 20)

        def evaluate(progress: Progress) -> None:
            if progress.step % every == 0 and progress.step < steps:
                ap = score(trainer.average)["ap"]
                curve.append({"crops": progress.step * BATCH, "loss": progress.loss, "ap": ap})

        try:
            trainer.run(on_step=evaluate, checkpoint_minutes=1e9)
        finally:
            prefetcher.close()
        ap = {}
        for refinement in REFINEMENTS:
            ap[refinement] = score.with_refinement(refinement)(trainer.average)["ap"]
    cost = count(trainer.average, INPUT)
    return {
        "name": name,
        "seed": seed,
        "commit": commit_id(),
        "data_sha256": data_hash(d.path for d in material.datasets),
        "variant": asdict(variant),
        "teacher": teacher_targets is not None,
        "schedule": asdict(schedule),
        "input": [INPUT.width, INPUT.height],
        "crops": steps * BATCH,
        "parameters": cost.parameters,
        "macs": cost.macs,
        "curve": curve,
        "ap": ap,
        "minutes": round(trainer.seconds / 60, 2),
    }


def some_of(
    people: People, targets: DistillationTargets | None, part: float, seed: int
) -> tuple[People, DistillationTargets | None]:
    """A random part of the people, and the teachers' outputs for them."""
    if part == 1:
        return people, targets
    chosen = np.random.default_rng(seed).permutation(len(people))[: round(part * len(people))]
    chosen.sort()
    fewer = replace(
        people,
        image_index=people.image_index[chosen],
        boxes_xyxy=people.boxes_xyxy[chosen],
        keypoints=people.keypoints[chosen],
        source=people.source[chosen],
    )
    if targets is None:
        return fewer, None
    return fewer, DistillationTargets(
        targets.maps[chosen], targets.keypoints[chosen], targets.trusted[chosen]
    )


if __name__ == "__main__":
    main()
