"""Bottom-up networks end to end on one thread: INT8 against FP32, frames to people, as ratios.

    python -m benchmarks.budget.bottomup [--xs CHECKPOINT] [--variant CHECKPOINT] [--calibration F]
        [--people 3] [--repeats 40] [--image FILE] [--json FILE]

Exports both networks at 256x256 (extra `export`), quantizes them and runs the runtime's whole
pipeline on a picture, the files in turns. What the networks answer is replaced by drawn maps of
so many people: decoding has the same work everywhere, and weights need not be trained. `plain` is
the float file as exported by default; `rewritten` the one with deconvolutions as 2x2
convolutions, from which the INT8 file is made. The bars compare with `plain`. Times are CPU time,
so that other processes disturb less; compare ratios of one run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import msgspec
import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from litepose_edge import backends
from litepose_edge.backends.session import Session
from litepose_edge.geometry import Size
from litepose_edge.manifest import QuantizationSpec
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.measure.timing import no_preparation, time_call, time_in_turns
from litepose_edge.pipelines.bottomup import BottomUp
from litepose_edge.sources import read_image
from litepose_edge.testing import gaussian_heatmaps
from litepose_export.conversion import export
from litepose_export.conversion.parity import random_inputs
from litepose_export.conversion.sample_inputs import calibration_inputs
from litepose_export.conversion.storage import store
from litepose_export.conversion.to_onnx import GraphOptions
from litepose_export.models import networks
from litepose_export.models.manifests import COARSE_OUTPUT, FINE_OUTPUT
from litepose_export.quantization.calibration import qdq
from litepose_export.quantization.mixed_precision import float_nodes
from litepose_export.quantization.options import DEFAULT_FLOAT

# Network, and the largest part of its float time that its INT8 file may take.
BARS = {"litepose-xs": 0.80, "litepose-xs-dense": 0.55}
JOINTS = 17
SCHEME: Literal["u8s8-reduced"] = "u8s8-reduced"
FORMS = ("plain", "rewritten", "int8")


def main() -> None:
    """Make the files, time them in turns, compare with the bars."""
    options = arguments()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    checkpoints = {"litepose-xs": options.xs, "litepose-xs-dense": options.variant}
    image = read_image(options.image) if options.image else drawn_image()
    with tempfile.TemporaryDirectory() as folder:
        files = {
            name: make_files(name, checkpoints[name], options.calibration, Path(folder))
            for name in BARS
        }
        rows = measure(files, image, options.people, options.repeats)
    print(f"{'':20}{'form':12}{'median':>8}{'network':>9}   ms      / plain  / rewritten")
    for name, forms in rows.items():
        for form, row in forms.items():
            print(
                f"{name:20}{form:12}{row['median_ms']:8.2f}{row['network_ms']:9.2f}"
                f"{row['to_plain']:15.3f}{row['to_rewritten']:10.3f}"
            )
    for name, bar in BARS.items():
        ratio = rows[name]["int8"]["to_plain"]
        verdict = "reached" if ratio <= bar else "not reached"
        print(f"{name} INT8 / FP32 end to end {ratio:.3f} <= {bar:.2f}: {verdict}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--xs", type=Path, help="checkpoint of litepose-xs")
    parser.add_argument("--variant", type=Path, help="checkpoint of litepose-xs-dense")
    parser.add_argument("--calibration", type=Path, help="COCO JSON; noise unless given")
    parser.add_argument("--people", type=int, default=3, help="in the maps that are decoded")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--image", type=Path, help="photograph; drawn unless given")
    parser.add_argument("--json", type=Path, help="write the report here as well")
    return parser.parse_args()


def make_files(
    name: str, checkpoint: Path | None, calibration: Path | None, folder: Path
) -> dict[str, Path]:
    """The three files of a network."""
    if checkpoint is None:
        torch.manual_seed(0)
        checkpoint = folder / f"{name}.pt"
        torch.save(networks.find(name).build(17, networks.SQUARE).state_dict(), checkpoint)
    files = {form: folder / f"{name}.{form}.onnx" for form in FORMS}
    for form in ("plain", "rewritten"):
        options = GraphOptions(rewrite_deconvolutions=form == "rewritten")
        export.export(name, checkpoint, files[form], export.ExportOptions(graph=options))
    manifest = backends.find_model(files["rewritten"]).manifest
    batches: Sequence[NDArray[Any]] = random_inputs(manifest.input, 8)
    if calibration is not None:
        batches = calibration_inputs(read_coco(calibration), manifest, 100)
    prepared = qdq.prepare(onnx.load(files["rewritten"]))
    left = float_nodes.select(prepared, DEFAULT_FLOAT)
    quantized = qdq.write_qdq(prepared, qdq.find_ranges(prepared, batches), SCHEME, left)
    spec = QuantizationSpec(scheme=SCHEME, method="minmax", calibration_images=len(batches))
    described = msgspec.structs.replace(manifest, precision="int8", quantization=spec)
    store(quantized, described, files["int8"])
    return files


class TimedSession:
    """A session that keeps the CPU time of each run, and answers with drawn maps."""

    def __init__(self, session: Session, answer: Mapping[str, NDArray[Any]]) -> None:
        self._session, self._answer = session, dict(answer)
        self.input = session.input
        self.runs_ms: list[float] = []

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run the network, give the drawn maps."""
        outputs, elapsed = time_call(partial(self._session.run, batch), prepare=no_preparation)
        self.runs_ms.append(elapsed.cpu_ms)
        assert {name: maps.shape for name, maps in outputs.items()} == {
            name: maps.shape for name, maps in self._answer.items()
        }
        return self._answer

    def close(self) -> None:
        """Close the session behind."""
        self._session.close()


def measure(
    files: dict[str, dict[str, Path]], image: NDArray[np.uint8], people: int, repeats: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Medians in ms, and medians of the ratios of neighbouring runs."""
    answer = drawn_maps(people)
    jobs: dict[str, Callable[[], object]] = {}
    sessions: dict[str, TimedSession] = {}
    for name, forms in files.items():
        for form, path in forms.items():
            model = backends.find_model(path, threads=1)
            session = sessions[f"{name} {form}"] = TimedSession(model.open(1), answer)
            pipeline = BottomUp(partial(_always, session), model.manifest, 1)
            jobs[f"{name} {form}"] = partial(pipeline, image)
    whole_ms = time_in_turns(jobs, rounds=repeats, warm_up_rounds=1).cpu_ms

    def to(name: str, form: str, reference: str) -> float:
        ratios = whole_ms[f"{name} {form}"] / whole_ms[f"{name} {reference}"]
        return round(float(np.median(ratios)), 3)

    def network_ms(key: str) -> float:
        # Every timed run follows an untimed one; the first two are the warm-up round's.
        return round(float(np.median(sessions[key].runs_ms[3::2])), 3)

    return {
        name: {
            form: {
                "median_ms": round(float(np.median(whole_ms[f"{name} {form}"])), 3),
                "network_ms": network_ms(f"{name} {form}"),
                "to_plain": to(name, form, "plain"),
                "to_rewritten": to(name, form, "rewritten"),
            }
            for form in forms
        }
        for name, forms in files.items()
    }


def _always(session: Session, threads: int) -> Session:
    """The one session there is, whatever the number of threads."""
    assert threads == 1
    return session


def drawn_maps(people: int) -> dict[str, NDArray[np.float32]]:
    """Outputs for a 256x256 input with people side by side, each with a tag of their own."""
    rng = np.random.default_rng(1)
    places = rng.uniform(-24, 24, (people, JOINTS, 2)) + 128
    places[..., 0] += (np.arange(people) - (people - 1) / 2)[:, None] * 200 / max(people, 1)
    heat = {
        stride: gaussian_heatmaps(places / stride - 0.5, 256 // stride, 256 // stride, sigma=2)
        for stride in (4, 2)
    }
    # Each cell has the tag of the person whose heat is highest there.
    tags = 3 * heat[4].argmax(axis=0).astype(np.float32)
    coarse = np.concatenate([heat[4].max(axis=0), tags])
    return {COARSE_OUTPUT: coarse[None], FINE_OUTPUT: heat[2].max(axis=0)[None]}


def drawn_image() -> NDArray[np.uint8]:
    """A 640x480 picture of blurred noise."""
    size = Size(640, 480)
    coarse = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    return cv2.resize(coarse, (size.width, size.height)).astype(np.uint8, copy=False)


if __name__ == "__main__":
    main()
