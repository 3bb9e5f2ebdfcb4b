"""Short runs of equal budget that differ in one thing each; `results.py` makes a table of them.

    python export/recipes/ablations.py DATA [--peers PEERS] [--only rce-8 mse-8] [--seeds 0 1]
        [--crops 45000] [--out docs/experiments/runs/ablations]

Every run leaves one JSON file; runs whose file is there are skipped, so that the set can be
continued, or shared out among processes with --only.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from litepose_edge.geometry import Size
from litepose_edge.manifest import Refinement
from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco
from litepose_export.models.architectures.ablation import AblationPose, Parts
from litepose_export.models.counting import count
from litepose_export.training.core.loop import Budget, Progress, Trainer
from litepose_export.training.core.losses import activation
from litepose_export.training.core.pose_loss import PoseLoss, TargetOptions
from litepose_export.training.core.schedule import Phase, Schedule
from litepose_export.training.core.validation import Validator
from litepose_export.training.data import augmentation
from litepose_export.training.data.crop_sampler import CropSampler, Prefetcher
from litepose_export.training.data.people import People, data_hash, load_people
from litepose_export.training.distillation import teacher
from litepose_export.training.runs.runner import commit_id

INPUT = Size(96, 128)
BATCH = 64
LOOKS = 6  # times a run is scored, evenly
REFINEMENTS: tuple[Refinement, ...] = ("dark", "quarter", "argmax")


@dataclass(frozen=True, slots=True)
class Variant:
    """One run.

    Attributes:
        parts: The network.
        loss: One of the training toolkit's losses.
        teacher_share: Weight of the teacher's maps.
        part: Of the crops that the others see. Slow networks are compared among themselves.
        people: Part of the people to learn from.
    """

    parts: Parts = field(default_factory=Parts)
    loss: str = "rce"
    teacher_share: float = 0.4
    part: float = 1.0
    people: float = 1.0


DEPTHWISE = 0.4
VARIANTS: dict[str, Variant] = {
    "rce-8": Variant(),
    "mse-8": Variant(loss="mse"),
    "rce-residual-8": Variant(loss="rce-residual"),
    "rce-place-8": Variant(loss="rce-place"),
    "rce-16": Variant(Parts(stride=16)),
    "mse-16": Variant(Parts(stride=16), loss="mse"),
    "rce-4": Variant(Parts(stride=4)),
    "mse-4": Variant(Parts(stride=4), loss="mse"),
    "no-teacher": Variant(teacher_share=0.0),
    "rmpg": Variant(Parts(refinement=True)),
    "deconv": Variant(Parts(stride=4, head="deconv")),
    "fusion": Variant(Parts(stride=4, head="fusion")),
    "correction": Variant(Parts(stride=4, head="deconv", correction=True)),
    "half": Variant(people=0.5),
    "tenth": Variant(people=0.1),
    "dense": Variant(part=DEPTHWISE),
    "depthwise-3": Variant(Parts(kernel=3), part=DEPTHWISE),
    "depthwise-5": Variant(Parts(kernel=5), part=DEPTHWISE),
    "depthwise-7": Variant(Parts(kernel=7), part=DEPTHWISE),
}


@dataclass(frozen=True, slots=True)
class Material:
    """What all runs share."""

    datasets: list[CocoDataset]
    people: People
    teaching: teacher.Teaching | None
    dev: CocoDataset


def main() -> None:
    """Run what is asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with coco/ and lspet/")
    parser.add_argument("--peers", type=Path, help="folder with pose/: the teachers")
    parser.add_argument("--teaching", type=Path, help="where the teachers' opinion is kept")
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
    material = load(options.data, options.peers, options.teaching)
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


def load(data: Path, peers: Path | None, teaching_path: Path | None) -> Material:
    """Photographs, labels and the teachers' opinion of them."""
    datasets = [read_coco(data / name / "train.json") for name in ("coco", "lspet")]
    people = load_people(datasets)
    teaching = None
    if teaching_path is not None and teaching_path.exists():
        teaching = teacher.load_teaching(teaching_path)
    elif peers is not None:
        pose = peers / "pose"
        files = (pose / "pptinypose_256x192/model.xml", pose / "ultralight_simplepose_256x192.onnx")
        first, second = (teacher.open_network(path) for path in files)
        teaching = teacher.teach(people, first, second, lambda: None)
        if teaching_path is not None:
            teacher.save_teaching(teaching, teaching_path)
    return Material(datasets, people, teaching, read_coco(data / "coco" / "dev.json"))


def run(name: str, variant: Variant, seed: int, crops: int, material: Material) -> dict[str, Any]:
    """Train one network, scored as it goes."""
    torch.manual_seed(seed)
    heat = activation(variant.loss)
    bias = 0.0 if heat == "linear" else -4.5
    network = AblationPose(variant.parts, bias=bias)
    steps = round(crops * variant.part / BATCH)
    # Twice a long run's rates: LRPose-s then had AP .071 after 45,000 crops, .051 at those.
    schedule = Schedule(
        phases=(Phase(1.0, INPUT),),
        batch=BATCH,
        learning_rate=4e-3,
        muon_rate=0.04,
        warmup_steps=max(1, min(100, steps // 4)),
    )
    teaching = material.teaching if variant.teacher_share > 0 else None
    people, teaching = some_of(material.people, teaching, variant.people, seed)
    sampler = CropSampler(people, teaching, augmentation.GENTLE, seed)
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
        every = max(20, steps // LOOKS // 20 * 20)

        def look(progress: Progress) -> None:
            if progress.step % every == 0 and progress.step < steps:
                ap = score(trainer.average)["ap"]
                curve.append({"crops": progress.step * BATCH, "loss": progress.loss, "ap": ap})

        try:
            trainer.run(on_step=look, checkpoint_minutes=1e9)
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
        "teacher": teaching is not None,
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
    people: People, teaching: teacher.Teaching | None, part: float, seed: int
) -> tuple[People, teacher.Teaching | None]:
    """A random part of the people, the teachers' opinion of them with it."""
    if part == 1:
        return people, teaching
    chosen = np.random.default_rng(seed).permutation(len(people))[: round(part * len(people))]
    chosen.sort()
    fewer = replace(
        people,
        image_index=people.image_index[chosen],
        boxes_xyxy=people.boxes_xyxy[chosen],
        keypoints=people.keypoints[chosen],
        source=people.source[chosen],
    )
    if teaching is None:
        return fewer, None
    return fewer, teacher.Teaching(
        teaching.maps[chosen], teaching.keypoints[chosen], teaching.trusted[chosen]
    )


if __name__ == "__main__":
    main()
