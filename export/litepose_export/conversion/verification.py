"""What an exported graph and its network are compared on: photographs or noise, at which sizes."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import onnx
from torch import nn

from litepose_edge.manifest import Manifest
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_export.conversion.parity import (
    HALF_TOLERANCE,
    TOLERANCE,
    Parity,
    check_parity,
    random_inputs,
)
from litepose_export.conversion.sample_inputs import calibration_inputs
from litepose_export.conversion.storage import is_halved
from litepose_export.conversion.to_onnx import GraphOptions
from litepose_export.conversion.uint8_input import Uint8Input

PARITY_INPUTS = 8
# Graphs of free size are also compared at a size so much larger, down and across.
OTHER_SIZE = (64, 128)


def verify_graph(
    network: nn.Module,
    graph: onnx.ModelProto,
    manifest: Manifest,
    options: GraphOptions,
    samples: CocoDataset | None,
) -> tuple[Parity, Manifest]:
    """Check parity; the figures, and the manifest with them in it.

    Raises:
        ParityError: The graph differs from PyTorch.
        SourceError: A photograph is damaged, or there is no person to crop.
    """
    spec = msgspec.structs.replace(manifest.input, dtype="uint8" if options.uint8 else "float32")
    manifest = msgspec.structs.replace(manifest, input=spec)
    batches: list[Any]
    if samples is None:
        batches = random_inputs(spec, PARITY_INPUTS)
    else:
        inputs = calibration_inputs(samples, manifest, PARITY_INPUTS)
        batches = list(inputs.crops[:, None] if options.uint8 else inputs)
    if options.uint8:
        network = Uint8Input(network, spec)
    if options.dynamic_batch:
        batches.append(np.concatenate(batches[:2]))
    if options.dynamic_size:
        larger = msgspec.structs.replace(
            spec, height=spec.height + OTHER_SIZE[0], width=spec.width + OTHER_SIZE[1]
        )
        batches += random_inputs(larger, 1)
    tolerance = HALF_TOLERANCE if is_halved(graph) else TOLERANCE
    parity = check_parity(network, graph, batches, manifest, tolerance)
    figures = {**manifest.parity, "tensor_difference": float(f"{parity.tensor:.1e}")}
    return parity, msgspec.structs.replace(manifest, parity=figures)
