"""How far INT8 moves the keypoints of a pose network, on labelled people.

    python -m benchmarks.budget.int8_shift dev.json [--json FILE]
    python -m benchmarks.budget.int8_shift dev.json --float a.fp32.onnx --int8 a.int8.onnx ...

Over labelled joints that FP32 scores above 0.3, in pixels of a crop 256 high whatever the
network's input is; AP with the people's own boxes (extra eval); time of INT8 by FP32's, in turns
on one thread. Without files, the released pose network's, as it is for x86 and in the signed form
that ARM processors run, here by this processor.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.budget.bars import Bar, finish, without
from litepose_edge.backends import bundled
from litepose_edge.backends.signed_activations import with_signed_activations

ALL_PEOPLE = 10**9
ROWS = (
    Bar(name="INT8 shift, median", limit=0.25, unit=" px", reason="-"),
    Bar(name="INT8 shift, p95", limit=1.1, unit=" px", reason="-"),
    Bar(name="INT8 shift, part of the joints compared", limit=0.6, at_least=True, reason="-"),
    Bar(name="INT8 loss of AP, ground-truth boxes", limit=0.3, unit=" points", reason="-"),
)


def main() -> None:
    """Compare each INT8 file with the float one on every labelled person."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="COCO keypoint JSON")
    parser.add_argument("--float", type=Path, default=bundled.FOLDER / "lrpose-s.fp32.onnx")
    parser.add_argument("--int8", type=Path, nargs="+", help="instead of the released ones")
    parser.add_argument("--people", type=int, default=ALL_PEOPLE)
    parser.add_argument("--seconds", type=float, default=3.0, help="of timing a file")
    parser.add_argument("--json", type=Path, help="write the report here as well")
    options = parser.parse_args()
    missing = [n for n in ("onnx", "pycocotools") if importlib.util.find_spec(n) is None]
    files = {path.name: path.read_bytes() for path in options.int8 or ()} or released()
    if not options.data.exists() or missing:
        gone = f"{options.data} is not here" if not missing else f"{missing[0]} is not installed"
        rows = [row for name in files for row in _named(ROWS, name)]
        finish({}, without(rows, gone), options.json)
        return
    report = measure(files, options)
    found = []
    for name, f in report.items():
        figures = (f["median_px"], f["p95_px"], f["part"], 100 * (f["ap_fp32"] - f["ap_int8"]))
        found += [
            Bar(name=row.name, limit=row.limit, at_least=row.at_least, unit=row.unit, figure=figure)
            for row, figure in zip(_named(ROWS, name), figures, strict=True)
        ]
    finish(report, found, options.json)


def released() -> dict[str, bytes]:
    """The INT8 files of the released pose network, by the processors that run them."""
    content = (bundled.FOLDER / "lrpose-s.int8.onnx").read_bytes()
    return {"x86": content, "ARM": with_signed_activations(content)}


def measure(files: Mapping[str, bytes], options: argparse.Namespace) -> dict[str, Any]:
    """The figures of every INT8 file.

    Args:
        files: Contents of INT8 files by name.
        options: Of the command line: `float`, `data`, `people` and `seconds`.
    """
    import onnx

    from litepose_edge.manifest import manifest_from_metadata
    from litepose_edge.measure.accuracy.coco import read_coco
    from litepose_export.conversion.sample_inputs import calibration_inputs
    from litepose_export.conversion.storage import restore_storage
    from litepose_export.quantization.gate.comparison import compare
    from litepose_export.quantization.gate.latency import compare_latency

    model = onnx.load(options.float)
    manifest = manifest_from_metadata(
        {e.key: e.value for e in model.metadata_props}, "the float file"
    )
    float_model = restore_storage(model)
    dataset = read_coco(options.data)
    batch = calibration_inputs(dataset, manifest, 1)[0]
    report: dict[str, Any] = {}
    for name, content in files.items():
        quantized = onnx.load_from_string(content)
        f = compare(float_model, quantized, manifest, dataset, options.people)
        timing = compare_latency(float_model, quantized, batch, options.seconds)
        if f.shift_px is None or f.ap_float is None or f.ap_int8 is None:
            raise SystemExit(f"{name}: no labelled keypoint to compare")
        print(
            f"{name}: {f.joints} joints ({f.joints_part:.0%} of the labelled), median "
            f"{f.shift_px:.3f} px, p95 {f.p95_px:.3f} px, OKS {f.oks:.4f}, AP {f.ap_float:.4f} -> "
            f"{f.ap_int8:.4f}, time {timing.ratio:.3f} of FP32's"
        )
        report[name] = {
            "joints": f.joints,
            "part": f.joints_part,
            "median_px": f.shift_px,
            "p95_px": f.p95_px,
            "oks": f.oks,
            "ap_fp32": f.ap_float,
            "ap_int8": f.ap_int8,
            "time_to_fp32": timing.ratio,
        }
    return report


def _named(rows: tuple[Bar, ...], file: str) -> list[Bar]:
    return [
        Bar(
            name=f"{row.name}, {file}",
            limit=row.limit,
            at_least=row.at_least,
            unit=row.unit,
            reason="-",
        )
        for row in rows
    ]


if __name__ == "__main__":
    main()
