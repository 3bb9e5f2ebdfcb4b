"""Quantization-aware fine-tuning: the INT8 form of a float file, trained on augmented crops.

The float file is the teacher and stays as it is. Its graph is trained in the very form it will
run in, with rounding at the same places; the file is then written from the learned codes and
scales, and checked by the gate, without being calibrated again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Size
from litepose_edge.manifest import TopDownSpec
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.conversion.onnx_file import read_onnx
from litepose_export.errors import CheckpointError, ExportError
from litepose_export.models import networks
from litepose_export.models.manifests import manifest as described
from litepose_export.models.trained import TrainedAs
from litepose_export.quantization.job import quantize
from litepose_export.quantization.options import QuantizationReport, QuantizeOptions
from litepose_export.training.core.normalization import normalise
from litepose_export.training.data.augmentation import WEAK
from litepose_export.training.data.crop_sampler import CropSampler
from litepose_export.training.data.people import load_people
from litepose_export.training.data.prefetcher import Prefetcher
from litepose_export.training.runs.options import QuantizationAwareRunOptions
from litepose_export.training.runs.pose_network import find_top_down
from litepose_export.training.runs.runner import prepare

X86_FILE, ARM_FILE = "int8-x86.onnx", "int8-arm.onnx"
QAT_OPTIONS = QuantizeOptions(equalize=True)


def train_quantized(
    network: str,
    options: QuantizationAwareRunOptions,
    started: Callable[[str, int], Callable[[], None]],
    quantization: QuantizeOptions = QAT_OPTIONS,
) -> QuantizationReport:
    """Fine-tune the INT8 form of a float pose file; files for x86 and ARM in the run's folder.

    Args:
        network: Which LRPose the float file is of: a name of the catalogue or an architecture file.
        options: The run.
        started: Told what begins and in how many steps.
        quantization: Everything else about the files.

    Raises:
        CheckpointError: `options.init` is no float file.
        ExportError: It is of another network, or quantized.
        AccuracyGateError: The gate refused the result; nothing was written.
    """
    if options.init.suffix != ".onnx":
        raise CheckpointError("--qat starts from a float file: give --init FILE.onnx")
    _check_network(network, options.init)
    prepare(options)
    datasets = [read_coco(path, options.images) for path in options.data]
    people = load_people(datasets)
    prefetcher = Prefetcher(CropSampler(people, None, WEAK, options.seed))
    shares = (1 / people.sources,) * people.sources

    def batches(count: int, size: Size) -> Iterator[NDArray[Any]]:
        for batch in prefetcher.batches(count, size, shares):
            yield np.ascontiguousarray(normalise(batch.crops).numpy())

    try:
        return quantize(
            options.init,
            options.folder / X86_FILE,
            datasets[0],
            replace(quantization, finetune_steps=options.steps, arm_out=options.folder / ARM_FILE),
            held_out=read_coco(options.dev, options.images) if options.dev else None,
            started=started,
            batches=batches,
        )
    finally:
        prefetcher.close()


def _check_network(name: str, init: Path) -> None:
    """Refuse a float file that says that it is of another network.

    A file of another name says nothing of its size: names are free to choose.
    """
    asked, manifest = find_top_down(name), read_onnx(init)[1]
    said, model = manifest.name, manifest.model
    others = {network.name for network in networks.CATALOGUE if network.name != asked.name}
    if said in others or not isinstance(model, TopDownSpec):
        raise ExportError(f"{init} is of '{said}', asked for is {asked.name}: name its own network")
    if manifest.precision != "fp32":
        raise ExportError(f"{init} is quantized already; give the float file")
    trained = TrainedAs(skeleton=model.skeleton)
    own = described(asked, len(model.skeleton), colour="rgb", trained=trained).model
    assert isinstance(own, TopDownSpec)
    assert own.heatmaps is not None
    alignment = own.heatmaps.alignment
    if model.heatmaps is None or model.heatmaps.alignment != alignment:
        raise ExportError(
            f"{init} gives no heatmaps as those of {asked.name}: it is another family"
        )
    size = manifest.input.size
    networks.input_size_of(asked, len(model.skeleton), size.width, size.height)
