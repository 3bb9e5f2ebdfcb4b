"""The mean of two checkpoints of one network, which is often better than either.

    python export/recipes/steps/average.py first.pt second.pt [--part 0.5] --out mean.pt

For runs from the same start: the statistics of normalisations are averaged along with the weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from litepose_export.errors import CheckpointError
from litepose_export.models.checkpoints import read_metadata, read_state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--part", type=float, default=0.5, help="of the second")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    average(options.first, options.second, options.part, options.out)


def average(first: Path, second: Path, part: float, out: Path) -> None:
    """Write `(1 - part) * first + part * second`, with the metadata of the second.

    Raises:
        CheckpointError: One cannot be read, or they are of different networks.
    """
    ours, theirs = read_state(first), read_state(second)
    if {k: t.shape for k, t in ours.items()} != {k: t.shape for k, t in theirs.items()}:
        raise CheckpointError(f"{first} and {second} are checkpoints of different networks")
    mean = {
        name: torch.lerp(tensor.float(), theirs[name].float(), part).to(tensor.dtype)
        if tensor.is_floating_point()
        else theirs[name]
        for name, tensor in ours.items()
    }
    torch.save({"average": mean, "metadata": dict(read_metadata(second))}, out)


if __name__ == "__main__":
    main()
