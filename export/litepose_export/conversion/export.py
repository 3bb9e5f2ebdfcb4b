"""The export: a network to a float ONNX file, and the proof that both compute the same."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import onnx
import torch
from torch import nn

from litepose_edge.atomic_files import check_targets
from litepose_edge.manifest import BottomUpSpec, Manifest, TopDownSpec, output_names
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_export.conversion.onnx_file import read_onnx
from litepose_export.conversion.score_shift import shift_scores
from litepose_export.conversion.storage import halve_storage, manifest_text, store
from litepose_export.conversion.thresholds import measure_thresholds
from litepose_export.conversion.to_onnx import GraphOptions, export_graph
from litepose_export.conversion.verification import verify_graph
from litepose_export.errors import ExportError, ParityError
from litepose_export.models import manifests, networks, user_networks
from litepose_export.models.checkpoints import fit, load, read_state
from litepose_export.models.counting import count
from litepose_export.models.trained import read_trained

Step = Callable[[str], None]
THRESHOLD = "threshold"  # among the manifest's figures: the score that became the default


def _silent(what: str) -> None:
    """Progress for callers that want none."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export did: sizes and how far the file is from the PyTorch network.

    Attributes:
        network: Which.
        path: The file.
        size_bytes: Of the file.
        input: The graph's input, such as `"float32 (1, 3, 256, 192)"`.
        keypoints: How many it finds; 0 for detectors.
        parameters: Learned numbers.
        macs: Multiply-accumulates for one image.
        tensor_difference: Largest difference to PyTorch, part of an output's largest value.
        keypoint_shift_px: Largest shift of a clear keypoint; None without heatmaps of one person.
        clear_joints: Part of the joints that was clear enough to compare.
        parity_inputs: `"photographs"` or `"noise"`.
        weights: Where in the checkpoint they were, such as `"model_ema, prefix 'module.'"`; empty
            without a checkpoint and for one of bare names.
    """

    network: str
    path: str
    size_bytes: int
    input: str
    keypoints: int
    parameters: int
    macs: int
    tensor_difference: float
    keypoint_shift_px: float | None
    clear_joints: float | None
    parity_inputs: str
    weights: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How a file is made from a checkpoint.

    Attributes:
        width: Of the input; the network's own unless given.
        height: Of the input; the network's own unless given.
        colour: Channel order of the weights; the known one unless given.
        graph: What kind of graph.
        half_storage: Keep the weights as float16 in the file: half the size, and a little
            rounding of the weights, so that outputs may differ from PyTorch's by 5e-3 of their
            largest value.
        thresholds_on: Labelled people on whom the thresholds in the manifest are measured; those
            that the checkpoint says unless given.
        released: For LRPose that finds people's 17 keypoints: the thresholds, data and licence of
            the released network of that name instead.
        threshold: For detectors and LRPose: the score that shall become 0.3, from which boxes
            are reported and keypoints drawn by default, by a constant added to the logits. For
            bottom-up networks: the heat below which a peak is no keypoint.
        max_join_distance: For bottom-up networks: how far a keypoint may be from the rest of a
            person, as a part of the maps' short side; any distance unless given.
    """

    width: int | None = None
    height: int | None = None
    colour: manifests.Colour | None = None
    graph: GraphOptions = field(default_factory=GraphOptions)
    half_storage: bool = False
    thresholds_on: CocoDataset | None = None
    released: bool = False
    threshold: float | None = None
    max_join_distance: float | None = None


def load_network(name: str, checkpoint: Path, options: ExportOptions) -> tuple[nn.Module, Manifest]:
    """A network with a checkpoint's weights, and its manifest.

    Raises:
        ExportError: No such network, it cannot take that input, or an option does not fit it.
        CheckpointError: Not a checkpoint of this network, damaged, or holding code.
    """
    network = networks.find(name)
    state = read_state(checkpoint)
    keypoints = networks.keypoints_of(network, state)
    networks.check_arch(network, state)
    trained = read_trained(checkpoint)
    width, height = options.width, options.height
    if trained.input_size is not None:
        width, height = width or trained.input_size.width, height or trained.input_size.height
    size = networks.input_size_of(network, keypoints, width, height)
    described = partial(
        manifests.manifest, network, keypoints, size, options.colour, released=options.released
    )
    manifest = described(trained)
    module = network.build(keypoints, size)
    fit(module, state, checkpoint)
    if isinstance(manifest.model, BottomUpSpec):
        asked = {"min_peak": options.threshold, "max_join_distance": options.max_join_distance}
        given = {name: value for name, value in asked.items() if value is not None}
        spec = msgspec.structs.replace(manifest.model, **given)
        manifest = msgspec.structs.replace(manifest, model=spec)
    elif options.max_join_distance is not None:
        raise ExportError("max_join_distance is for bottom-up networks only")
    elif options.threshold is not None:
        shift = shift_scores(module, options.threshold, manifest)
        if trained.thresholds is not None:
            shifted = replace(trained, thresholds=trained.thresholds.shifted(shift))
            manifest = described(shifted)
        figures = {**manifest.parity, THRESHOLD: options.threshold}
        manifest = msgspec.structs.replace(manifest, parity=figures)
    return module, manifest


def export(
    name: str,
    checkpoint: Path,
    target: Path,
    options: ExportOptions = ExportOptions(),
    *,
    samples: CocoDataset | None = None,
    step: Step = _silent,
) -> ExportReport:
    """A network of the catalogue to a float ONNX file, verified.

    Args:
        name: Which network.
        checkpoint: Its weights.
        target: The file to write.
        options: How.
        samples: Photographs for the parity check; noise unless given.
        step: Told what is being done.

    Raises:
        ParityError: The graph differs from PyTorch; nothing is written.
        CheckpointError: Not a checkpoint of this network, damaged, or holding code.
        ExportError: No such network, or an option does not fit it.
        OutputError: The place cannot be written, or is a file that is read.
    """
    _check_target(target, options, samples, name, checkpoint)
    step("read the checkpoint")
    network, manifest = load_network(name, checkpoint, options)
    _check_size(manifest, options)
    if options.graph.dynamic_size:
        manifest = manifests.with_views(manifest)
    multiple = networks.find(name).multiple
    return _export(network, manifest, target, options, samples, step, multiple)


def export_module(
    network: nn.Module,
    manifest: Manifest,
    target: Path,
    options: ExportOptions = ExportOptions(),
    *,
    checkpoint: Path | None = None,
    samples: CocoDataset | None = None,
    step: Step = _silent,
) -> ExportReport:
    """Any network to a float ONNX file, verified; the network stays as it is.

    Args:
        network: Takes `(N, 3, H, W)` float32; gives what the manifest reads, in its order or by
            name.
        manifest: Its input and how its outputs are decoded.
        target: The file to write.
        options: How; size and channel order are the manifest's.
        checkpoint: Weights to load first; those that the network has unless given.
        samples: Photographs for the parity check; noise unless given.
        step: Told what is being done.

    Raises:
        ParityError: The graph differs from PyTorch; nothing is written.
        CheckpointError: The weights do not fit.
        ExportError: The network does not give what its manifest describes, or an option does not
            fit it.
        OutputError: The place cannot be written, or is a file that is read.
    """
    _check_target(target, options, samples, checkpoint)
    _check_size(manifest, options)
    manifest = msgspec.structs.replace(manifest, parity={})  # which may come from another file
    own, weights = _own_module(network, manifest, options, checkpoint, step)
    report = _export(own, manifest, target, options, samples, step, 1)
    return replace(report, weights=weights)


def _check_target(
    target: Path, options: ExportOptions, samples: CocoDataset | None, *sources: str | Path | None
) -> None:
    labels = (data.path for data in (samples, options.thresholds_on) if data is not None)
    check_targets(target, sources=(*sources, *labels))


def _check_size(manifest: Manifest, options: ExportOptions) -> None:
    if options.graph.dynamic_size and isinstance(manifest.model, TopDownSpec):
        raise ExportError(f"{manifest.name} takes one person's crop: its input has one size")


def _own_module(
    network: nn.Module,
    manifest: Manifest,
    options: ExportOptions,
    checkpoint: Path | None,
    step: Step,
) -> tuple[nn.Module, str]:
    """A copy in float32 with its weights, its outputs in the manifest's order."""
    given = (options.width, options.height, options.colour, options.threshold)
    if any(value is not None for value in (*given, options.max_join_distance)):
        raise ExportError(
            "size, colour and thresholds of your own network are its manifest's: change them there"
        )
    if options.released:
        raise ExportError("of your own network no thresholds were released: leave `released` out")
    try:
        own = copy.deepcopy(network).to("cpu").float().eval()
    except (RuntimeError, TypeError) as exc:
        raise ExportError(
            f"cannot copy the network: {exc}; remove parametrizations such as weight_norm and "
            "give every tensor a value first"
        ) from exc
    weights = ""
    if checkpoint is not None:
        step("read the checkpoint")
        found = load(own, checkpoint)
        parts = [found.within, found.prefix and f"prefix '{found.prefix}'"]
        if found.ignored:
            parts.append(f"{len(found.ignored)} other keys left out")
        weights = ", ".join(part for part in parts if part)
    example = torch.zeros(1, 3, manifest.input.height, manifest.input.width)
    return user_networks.with_named_outputs(own, output_names(manifest), example), weights


def _export(
    network: nn.Module,
    manifest: Manifest,
    target: Path,
    options: ExportOptions,
    samples: CocoDataset | None,
    step: Step,
    multiple: int,
) -> ExportReport:
    manifest_text(manifest)  # before the work, what `store` would refuse after it
    cost = count(network, manifest.input.size)
    step("export the graph")
    write = partial(
        export_graph,
        network,
        manifest.input,
        output_names(manifest),
        options.graph,
        multiple=multiple,
    )
    graph = write()
    step("compare with PyTorch")
    try:
        parity, described = verify_graph(network, graph, manifest, options.graph, samples)
    except ParityError:
        if options.graph.rewrite_deconvolutions:  # of modules that are folded
            raise
        # Folding takes it that the layers of an `nn.Sequential` run one after the other. Where a
        # network uses them apart, only the graph tells what reads a convolution.
        step("export the graph without folded modules")
        graph = write(fold_modules=False)
        parity, described = verify_graph(network, graph, manifest, options.graph, samples)
    if options.half_storage:
        # The file's own figures; those of float32 have shown that the graph is the network.
        graph = halve_storage(graph)
        parity, described = verify_graph(network, graph, manifest, options.graph, samples)
    if options.thresholds_on is not None:
        step("measure the thresholds")
        measured = measure_thresholds(graph, described, options.thresholds_on)
        assert isinstance(described.model, TopDownSpec)
        described = msgspec.structs.replace(described, model=measured.applied(described.model))
    step("write the file")
    store(graph, described, target)
    skeleton = getattr(manifest.model, "skeleton", ())
    return ExportReport(
        network=manifest.name,
        path=str(target),
        size_bytes=target.stat().st_size,
        input=_describe_input(graph),
        keypoints=len(skeleton),
        parameters=cost.parameters,
        macs=cost.macs,
        tensor_difference=parity.tensor,
        keypoint_shift_px=parity.keypoint_px,
        clear_joints=parity.clear_joints,
        parity_inputs="noise" if samples is None else "photographs",
    )


def verify(
    model: Path,
    checkpoint: Path | None = None,
    *,
    network: nn.Module | str | None = None,
    step: Step = _silent,
) -> dict[str, Any]:
    """Compare a float file with the network it came from.

    Args:
        model: The file.
        checkpoint: The weights; those of the network unless given.
        network: The network, or its name in the catalogue, or its architecture file; the one that
            the checkpoint or else the manifest names unless given.
        step: Told what is being done.

    Raises:
        ParityError: They differ.
        CheckpointError: The weights are not the network's.
        ExportError: The file is quantized: the accuracy gate compares those; or it is not known
            what to compare it with.
    """
    step("read both")
    graph, manifest = read_onnx(model)
    if manifest.precision != "fp32":
        raise ExportError(f"{model} is quantized; only float files equal their checkpoint")
    spec = manifest.input
    if isinstance(network, nn.Module):
        network, _ = _own_module(network, manifest, ExportOptions(), checkpoint, step)
    elif checkpoint is None:
        raise ExportError(f"compare {model} with what? Give a checkpoint or a network of yours")
    else:
        options = ExportOptions(
            width=spec.width,
            height=spec.height,
            colour=spec.colour,
            threshold=manifest.parity.get(THRESHOLD),
        )
        name = network or read_trained(checkpoint).network or manifest.name
        network, _ = load_network(name, checkpoint, options)
    step("compare with PyTorch")
    uint8 = spec.dtype == "uint8"
    free = [bool(d.dim_param) for d in graph.graph.input[0].type.tensor_type.shape.dim]
    made = GraphOptions(uint8=uint8, dynamic_batch=free[0], dynamic_size=free[1 if uint8 else 2])
    parity, _ = verify_graph(network, graph, manifest, made, None)
    return {"network": manifest.name, "path": str(model), **asdict(parity)}


def _describe_input(graph: onnx.ModelProto) -> str:
    tensor = graph.graph.input[0].type.tensor_type
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower().replace("float", "float32")
    shape = ", ".join(d.dim_param or str(d.dim_value) for d in tensor.shape.dim)
    return f"{kind} ({shape})"
