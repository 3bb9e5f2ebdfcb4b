"""How far INT8 moves the keypoints of a pose network, on labelled people.

    python benchmarks/int8_shift.py dev.json
    python benchmarks/int8_shift.py dev.json --float a.fp32.onnx --int8 a.int8-x86.onnx ...

Over labelled joints that FP32 scores above 0.3; pixels of the 256-pixel-high crop; AP on the
people's own boxes; time of INT8 by FP32's, in turns on one thread. Without files, the released
pose network's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import onnx

from litepose_edge.backends import bundled
from litepose_edge.manifest import from_metadata
from litepose_edge.measure.coco import read_coco
from litepose_export.quantization.compare import compare
from litepose_export.quantization.inputs import calibration_inputs
from litepose_export.quantization.race import race
from litepose_export.storage import restore_storage

EVERYBODY = 10**9


def main() -> None:
    """Compare each INT8 file with the float one on every labelled person."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--float", type=Path, default=bundled.FOLDER / "lrpose-s.fp32.onnx")
    default = [bundled.FOLDER / f"lrpose-s.int8-{target}.onnx" for target in ("x86", "arm")]
    parser.add_argument("--int8", type=Path, nargs="+", default=default)
    parser.add_argument("--people", type=int, default=EVERYBODY)
    parser.add_argument("--seconds", type=float, default=3.0, help="of timing a file")
    arguments = parser.parse_args()
    model = onnx.load(arguments.float)
    contract = from_metadata({e.key: e.value for e in model.metadata_props}, "the float file")
    exact = restore_storage(model)
    dataset = read_coco(arguments.data)
    batch = calibration_inputs(dataset, contract, 1)[0]
    for path in arguments.int8:
        quantized = onnx.load(path)
        f = compare(exact, quantized, contract, dataset, arguments.people)
        timing = race(exact, quantized, batch, arguments.seconds)
        if f.shift_px is None or f.ap_float is None or f.ap_int8 is None:
            raise SystemExit(f"{path}: no labelled keypoint to compare")
        print(
            f"{path.name}: {f.joints} joints ({f.joints_part:.0%} of the labelled), median "
            f"{f.shift_px:.3f} px, p95 {f.p95_px:.3f} px, OKS {f.oks:.4f}, AP {f.ap_float:.4f} -> "
            f"{f.ap_int8:.4f}, time {timing.ratio:.3f} of FP32's"
        )


if __name__ == "__main__":
    main()
