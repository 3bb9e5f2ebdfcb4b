"""Quantization-aware fine-tuning: the INT8 twin of a float file, trained on augmented crops.

The float file is the teacher and stays as it is. Its graph is trained in the very form it will
run in, with rounding at the same places; the file is then written from the learned codes and
scales, and judged by the gate, without being calibrated again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from litepose_edge.geometry import Size
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.errors import CheckpointError, ExportError
from litepose_export.quantization.job import quantize
from litepose_export.quantization.options import QuantizationReport, QuantizeOptions
from litepose_export.training.core.pose_loss import normalise
from litepose_export.training.data import augmentation
from litepose_export.training.data.crop_sampler import CropSampler, Prefetcher
from litepose_export.training.data.people import load_people
from litepose_export.training.runs.runner import RunOptions

FILE, TWIN = "int8-x86.onnx", "int8-arm.onnx"
QAT_OPTIONS = QuantizeOptions(equalize=True)


def train_quantized(
    options: RunOptions,
    started: Callable[[str, int], Callable[[], None]],
    quantization: QuantizeOptions = QAT_OPTIONS,
) -> QuantizationReport:
    """Fine-tune the INT8 form of a float pose file; files for x86 and ARM in the run's folder.

    Args:
        options: The run: `init` is the float `.onnx` file, `budget` counts steps, `dev` is what
            the gate judges on.
        started: Told what begins and in how many ticks.
        quantization: Everything else about the files.

    Raises:
        CheckpointError: `init` is no float file.
        ExportError: The budget is in minutes.
        AccuracyGateError: The gate refused the result; nothing was written.
    """
    if options.init is None or options.init.suffix != ".onnx":
        raise CheckpointError("--qat starts from a float file: give --init FILE.onnx")
    if options.budget.steps is None:
        raise ExportError("--qat needs --steps: its rate falls over a known number of them")
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    datasets = [read_coco(path) for path in options.data]
    people = load_people(datasets)
    sampler = CropSampler(people, None, augmentation.GENTLE, options.seed)
    prefetcher = Prefetcher(sampler)
    shares = tuple(1 / len(datasets) for _ in datasets)

    def batches(count: int, size: Size) -> Iterator[NDArray[Any]]:
        for batch in prefetcher.batches(count, size, shares):
            yield np.ascontiguousarray(normalise(batch.crops).numpy())

    try:
        return quantize(
            options.init,
            options.folder / FILE,
            datasets[0],
            replace(
                quantization,
                follow_steps=options.budget.steps,
                twin=options.folder / TWIN,
            ),
            held_out=read_coco(options.dev) if options.dev else None,
            started=started,
            batches=batches,
        )
    finally:
        prefetcher.close()
