"""Makes what LRPose-n starts from: LRPose-s with fewer channels inside its blocks.

    python export/recipes/steps/slim.py S --data photos/coco/train.json --out slim.pt

S is a checkpoint or the float model file.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch

from litepose_edge.geometry import Size
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.models import networks
from litepose_export.training.core.initialization import read_average
from litepose_export.training.core.normalization import normalise
from litepose_export.training.data.augmentation import WEAK
from litepose_export.training.data.crop_sampler import CropSampler
from litepose_export.training.data.people import load_people
from litepose_export.training.distillation.slimming import slim


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wide", type=Path, help="checkpoint or float file of --from")
    parser.add_argument("--from", dest="source", default="lrpose-s")
    parser.add_argument("--to", default="lrpose-n")
    parser.add_argument("--data", type=Path, required=True, help="COCO keypoint JSON")
    parser.add_argument("--crops", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    target, source = networks.find(options.to), networks.find(options.source)
    torch.manual_seed(options.seed)
    network = target.build(networks.COCO_JOINTS, target.input_size)
    wide = read_average(source.build(networks.COCO_JOINTS, source.input_size), options.wide)
    people = load_people([read_coco(options.data)])
    sampler = CropSampler(people, None, WEAK, options.seed)
    # The target's input, as large as the wide network's layers need.
    multiple = max(target.multiple, source.multiple)
    width, height = (
        math.ceil(n / multiple) * multiple
        for n in (target.input_size.width, target.input_size.height)
    )
    batch = sampler.draw(options.crops, Size(width, height), (1.0,))
    slim(network, wide, normalise(batch.crops))
    torch.save({"average": network.state_dict()}, options.out)


if __name__ == "__main__":
    main()
