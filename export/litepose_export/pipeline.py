"""The export steps: checkpoint to float ONNX, float ONNX to INT8; each can run alone."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import onnx
import torch
from torch import nn

from litepose_edge import manifest
from litepose_edge.manifest import Manifest, QuantizationSpec, TopDownSpec
from litepose_edge.measure.coco import CocoDataset
from litepose_export import contracts
from litepose_export.calibrate import calibration_batches
from litepose_export.checkpoints import read_checkpoint
from litepose_export.errors import CheckpointError, ExportError
from litepose_export.models.lrpose import LRPose
from litepose_export.models.persondet import PersonDet
from litepose_export.quantize import SCHEMES, Target, quantize_graph
from litepose_export.storage import halve_storage, store
from litepose_export.to_onnx import export_graph
from litepose_export.verify import check_parity

PARITY_INPUTS = 8
SHOWN_SCORE = 0.3  # the runtime's default min_score


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export did: sizes and how far the file is from the PyTorch network."""

    network: str
    path: str
    size_bytes: int
    parameters: int
    tensor_difference: float
    keypoint_shift_px: float | None

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class QuantizationReport:
    """What a quantization did."""

    source: str
    path: str
    size_bytes: int
    scheme: str
    calibration_images: int
    float_layers: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        return asdict(self)


def build_network(name: str) -> tuple[nn.Module, Manifest]:
    """One of our networks by name, untrained, with its contract.

    Raises:
        ExportError: There is no network of that name.
    """
    match name:
        case "lrpose-n" | "lrpose-s" | "lrpose-m":
            return LRPose(name[-1]), contracts.pose_contract(name)
        case "persondet":
            return PersonDet(), contracts.detector_contract(name)
        case _:
            raise ExportError(
                f"no network '{name}'; there are: lrpose-n, lrpose-s, lrpose-m, persondet"
            )


def load_checkpoint(network: nn.Module, path: Path) -> None:
    """Load averaged weights from a training checkpoint, or a bare state dict.

    Raises:
        CheckpointError: Not a checkpoint of this network, damaged, or holding code.
    """
    state = read_checkpoint(path)
    weights = state.get("average", state) if isinstance(state, dict) else state
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as exc:
        raise CheckpointError(f"{path} does not fit the network: {exc}") from exc


def export(
    name: str,
    checkpoint: Path,
    target: Path,
    *,
    samples: CocoDataset,
    threshold: float | None = None,
) -> ExportReport:
    """Checkpoint to float ONNX file (weights stored as float16), verified.

    Args:
        name: Which network.
        checkpoint: Its weights.
        target: The file to write.
        samples: Photographs for the parity check.
        threshold: For detectors: the score that shall become 0.3, the runtime's default
            `min_score`, by a constant added to the logits.

    Raises:
        ParityError: The graph differs from PyTorch.
    """
    network, contract = build_network(name)
    load_checkpoint(network, checkpoint)
    if threshold is not None:
        _shift_scores(network, threshold)
    outputs = _output_names(contract)
    graph = export_graph(network, contract.input.size, outputs)
    batches = calibration_batches(samples, contract, PARITY_INPUTS)
    stride = LRPose.stride if isinstance(contract.model, TopDownSpec) else None
    parity = check_parity(network, graph, batches, stride)
    figures = {"tensor_difference": float(f"{parity.tensor:.1e}")}
    store(halve_storage(graph), msgspec.structs.replace(contract, parity=figures), target)
    return ExportReport(
        network=name,
        path=str(target),
        size_bytes=target.stat().st_size,
        parameters=sum(p.numel() for p in network.parameters()),
        tensor_difference=parity.tensor,
        keypoint_shift_px=parity.keypoint_px,
    )


def quantize(
    source: Path, target: Path, *, calibration: CocoDataset, count: int, kind: Target
) -> QuantizationReport:
    """Float ONNX file to INT8 ONNX file."""
    model = onnx.load(source)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    contract = manifest.from_metadata(metadata, source)
    batches = calibration_batches(calibration, contract, count)
    scheme = SCHEMES[kind]
    quantized, left = quantize_graph(model, batches, scheme)
    spec = QuantizationSpec(
        scheme=scheme,
        method="static per-channel QDQ, MinMax ranges",
        calibration_images=len(batches),
        float_layers=left,
    )
    described = msgspec.structs.replace(contract, precision="int8", quantization=spec)
    store(quantized, described, target)
    return QuantizationReport(
        source=str(source),
        path=str(target),
        size_bytes=target.stat().st_size,
        scheme=scheme,
        calibration_images=len(batches),
        float_layers=left,
    )


def _output_names(contract: Manifest) -> tuple[str, ...]:
    if isinstance(contract.model, TopDownSpec):
        return (contract.model.heatmaps.output,)
    return contract.model.outputs


@torch.no_grad()
def _shift_scores(network: nn.Module, threshold: float) -> None:
    if not isinstance(network, PersonDet):
        raise ExportError("a threshold is for detectors only")
    shift = _logit(SHOWN_SCORE) - _logit(threshold)
    for layer in network.scores:
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        layer.bias += shift


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
