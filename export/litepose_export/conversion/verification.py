"""Checks an exported graph against its network, and against its manifest."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from torch import nn

from litepose_edge.backends import Session, open_bytes
from litepose_edge.errors import ManifestError
from litepose_edge.manifest import (
    BottomUpSpec,
    DetectorSpec,
    Manifest,
    OneStageSpec,
    TopDownSpec,
)
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_edge.pipelines.bottomup import BottomUp
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.pipelines.onestage import OneStage
from litepose_edge.pipelines.topdown import TopDown
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
from litepose_export.errors import ExportError

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
    """Check shapes and parity; the figures, and the manifest with them in it.

    Raises:
        ExportError: The graph does not give what the manifest describes.
        ParityError: The graph differs from PyTorch.
        SourceError: A photograph is damaged, or there is no person to crop.
    """
    spec = msgspec.structs.replace(manifest.input, dtype="uint8" if options.uint8 else "float32")
    manifest = msgspec.structs.replace(manifest, input=spec)
    check_outputs(graph, manifest)
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


def check_outputs(graph: onnx.ModelProto, manifest: Manifest) -> None:
    """Decode the graph's outputs for one image as the runtime does, by their shapes alone.

    Raises:
        ExportError: They are not what the manifest describes: no runtime would take the file.
    """
    session = _ZeroedSession(open_bytes(graph.SerializeToString()))
    size = manifest.input.size
    image = np.zeros((size.height, size.width, 3), np.uint8)
    try:
        match manifest.model:
            case TopDownSpec():
                whole = np.array([[0, 0, size.width, size.height]], np.float32)
                TopDown(lambda _: session, manifest, 1)(image, whole)
            case BottomUpSpec():
                BottomUp(lambda _: session, manifest, 1)(image)
            case OneStageSpec():
                OneStage(lambda _: session, manifest, 1)(image)
            case DetectorSpec():
                PersonDetector(lambda _: session, manifest, 1)(image, 1.0)
    except ManifestError as exc:
        raise ExportError(f"the network does not give what its manifest describes: {exc}") from exc
    finally:
        session.close()


class _ZeroedSession:
    """A session whose outputs are 0: values of weights that are not trained may be anything."""

    def __init__(self, session: Session) -> None:
        self._session, self.input = session, session.input

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Zeros of the outputs' shapes and types."""
        return {name: np.zeros_like(values) for name, values in self._session.run(batch).items()}

    def close(self) -> None:
        """Close the session."""
        self._session.close()
