"""Prints where the keypoints of some crops land: run natively and under emulation to compare.

python avx2_outputs.py MODEL.onnx BATCHES.npy OUT.npy
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from litepose_edge import backends


def main() -> None:
    model, batches, out = (Path(a) for a in sys.argv[1:4])
    session = backends.find_model(model, threads=1).open(1)
    outputs = [session.run(batch[None]) for batch in np.load(batches)]
    first = {name: np.concatenate([o[name] for o in outputs]) for name in outputs[0]}
    np.savez(out, exact=backends.u8s8_is_exact(), **first)


if __name__ == "__main__":
    main()
