"""The public functions: what the command line does, for programs; heavy packages load in calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from litepose_edge.manifest import Manifest
from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco
from litepose_export.errors import ExportError
from litepose_export.optional import requires

if TYPE_CHECKING:
    from torch import nn

    from litepose_export.conversion.export import ExportReport
    from litepose_export.portable.job import PortableReport
    from litepose_export.quantization.options import QuantizationReport

PathType = str | PathLike[str]
Photographs = PathType | CocoDataset


def _silent(*_: Any) -> None:
    """Progress for callers that want none."""


def _silent_steps(what: str, total: int) -> Callable[[], None]:
    return lambda: None


def export(
    network: nn.Module | str,
    path: PathType,
    manifest: Manifest | None = None,
    *,
    checkpoint: PathType | None = None,
    samples: Photographs | None = None,
    width: int | None = None,
    height: int | None = None,
    colour: Literal["rgb", "bgr"] | None = None,
    dynamic_batch: bool = False,
    dynamic_size: bool = False,
    uint8_input: bool = False,
    rewrite_deconv: bool = False,
    float16_storage: bool = False,
    threshold: float | None = None,
    max_join_distance: float | None = None,
    dev: Photographs | None = None,
    released: bool = False,
    progress: Callable[[str], None] = _silent,
) -> ExportReport:
    """Export a network to a float ONNX file that provably computes the same.

    Args:
        network: A module of yours that takes `(N, 3, H, W)` float32; or `"my_package.nets:build"`,
            a callable that makes it; or the name of a network of `litepose-export list`.
        path: The ONNX file to write.
        manifest: What a network of yours expects and how its outputs are decoded, such as
            `heatmap_manifest` gives; networks of the catalogue bring their own, and so do
            checkpoints of `litepose-export train`.
        checkpoint: Weights to load; a module of yours keeps its own unless given.
        samples: COCO JSON, or its data set, whose photographs check the parity; noise unless given.
        width: Of the input, for networks of the catalogue.
        height: Of the input, for networks of the catalogue.
        colour: Channel order of the weights, for networks of the catalogue.
        dynamic_batch: Take any number of crops at once; otherwise one.
        dynamic_size: Leave height and width free; not for one person's crop.
        uint8_input: Take `(N, H, W, 3)` uint8 BGR pixels and normalise them in the graph.
        rewrite_deconv: Write deconvolutions of the catalogue's networks in a form for INT8.
        float16_storage: Half the file; it computes in float32.
        threshold: For networks of the catalogue: the score that shall become 0.3.
        max_join_distance: For LitePose: how far keypoints join people.
        dev: COCO JSON of people the network was not trained on, on whom the thresholds in the
            manifest are measured (one person's crops only); those of the checkpoint unless given.
        released: For LRPose that finds people's 17 keypoints: take the thresholds of the released
            network of that name instead.
        progress: Told what is being done.

    Raises:
        ParityError: The graph differs from PyTorch; nothing is written.
        CheckpointError: The weights do not fit.
        UnsupportedOpError: PyTorch's exporter cannot write the network.
        ExportError: The network does not give what its manifest describes, or an option does not
            fit it.
        OutputError: The place cannot be written, or is a file that is read.
        BackendUnavailableError: The extra `export` is not installed.
    """
    with requires("export"):
        from litepose_export.conversion import export as conversion
        from litepose_export.conversion.to_onnx import GraphOptions
    options = conversion.ExportOptions(
        width=width,
        height=height,
        colour=colour,
        graph=GraphOptions(
            dynamic_batch=dynamic_batch,
            dynamic_size=dynamic_size,
            uint8=uint8_input,
            rewrite_deconvolutions=rewrite_deconv,
        ),
        half_storage=float16_storage,
        threshold=threshold,
        max_join_distance=max_join_distance,
        thresholds_on=_photographs(dev),
        released=released,
    )
    weights = None if checkpoint is None else Path(checkpoint)
    photographs = _photographs(samples)
    if isinstance(network, str) and _is_name(network):
        if weights is None:
            raise ExportError(f"export {network} with which weights? Give a checkpoint")
        if manifest is not None:
            raise ExportError(f"{network} brings its own manifest: leave `manifest` out")
        return conversion.export(
            network, weights, Path(path), options, samples=photographs, step=progress
        )
    if manifest is None and weights is not None:
        with requires("export"):
            from litepose_export.models.trained import read_trained
        manifest = read_trained(weights).manifest
    if manifest is None:
        raise ExportError(
            "a network of yours needs a manifest: make one with heatmap_manifest, simcc_manifest, "
            "regression_manifest, bottom_up_manifest, one_stage_manifest or detector_manifest"
        )
    return conversion.export_module(
        _module(network, manifest),
        manifest,
        Path(path),
        options,
        checkpoint=weights,
        samples=photographs,
        step=progress,
    )


def quantize(
    source: PathType,
    path: PathType,
    *,
    calibration: Photographs,
    held_out: Photographs | None = None,
    target: Literal["auto", "x86", "x86-vnni", "arm"] = "x86",
    count: int = 300,
    method: Literal["minmax", "entropy", "percentile"] = "minmax",
    percentile: float = 99.99,
    keep_float: Sequence[str] | None = None,
    equalize: bool = False,
    equalize_groups: bool = False,
    clip_search: bool = False,
    gptq: bool = False,
    finetune_steps: int = 0,
    bias_correction: bool = False,
    search: bool = False,
    search_layers: bool = False,
    sensitivity: bool = False,
    gate_people: int = 300,
    max_shift_px: float | None = 0.5,
    max_p95_px: float | None = 3.0,
    max_ap_drop: float | None = 0.01,
    min_recall: float | None = 0.9,
    min_oks: float | None = 0.9,
    force: bool = False,
    auto: bool = False,
    minutes: float | None = None,
    arm_out: PathType | None = None,
    progress: Callable[[str, int], Callable[[], None]] = _silent_steps,
) -> QuantizationReport:
    """Quantize a float ONNX file to INT8, unless that moves the keypoints too far.

    Args:
        source: Float ONNX file with a manifest inside, or beside it.
        path: The INT8 file to write.
        calibration: COCO JSON, its data set, or a folder of photographs to find people in.
        held_out: What the gate compares on; a quarter of `calibration` unless given.
        target: The CPU it is for: `"x86"` is exact on every x86, `"auto"` asks this machine.
        count: Calibration inputs.
        method: How ranges are found.
        percentile: What the method `"percentile"` keeps, in percent.
        keep_float: What stays float: `stem`, `head`, `head:N`, `residual`, `op:TYPE`,
            `TENSOR..TENSOR`; what reads the image and what writes the outputs unless given.
        equalize: Cross-layer equalization of hidden channels' ranges.
        equalize_groups: The same across sums, pools, ReLU6, depthwise and transposed layers.
        clip_search: Narrow ranges where that lowers the output error.
        gptq: GPTQ: round weights so that errors cancel.
        finetune_steps: Steps of fine-tuning to the float file's outputs.
        bias_correction: Take each layer's mean error out.
        search: Leave further nodes float until the bounds are met.
        search_layers: The same among layers alone, ranked on few inputs: quicker. Not with
            `search` or `sensitivity`.
        sensitivity: Rank the nodes by how they move keypoints.
        gate_people: Crops (photographs, for networks that find people) that the gate compares.
        max_shift_px: Bound of the median shift, in pixels of a crop 256 high.
        max_p95_px: Bound of its 95th percentile.
        max_ap_drop: Bound of the loss of average precision, of 1.
        min_recall: Bound of the part of the people found again.
        min_oks: Bound of the mean similarity of both files' poses.
        force: Write the file even if the gate refuses it, and stamp it.
        auto: Where the gate refuses, try again with equalization, GPTQ, bias correction, a range
            search, sensitive layers in float and fine-tuning, one after the other, until it
            passes; a step that helps is kept.
        minutes: With `auto`: no attempt begins later than this, and fine-tuning is cut to fit.
        arm_out: Where the same codes are also written for ARM.
        progress: Told what begins and in how many steps; returns what is called after each.

    Raises:
        AccuracyGateError: It moved the keypoints further than allowed; nothing is written.
        ExportError: The file is quantized already, damaged, or an option does not fit it.
        ManifestError: It has no manifest.
        SourceError: The photographs cannot be read.
        OutputError: A place cannot be written, or is a file that is read.
        BackendUnavailableError: The extra `export` is not installed.
    """
    if auto and force:
        raise ExportError("auto walks until the gate passes, force overrules it: choose one")
    if search_layers and (search or sensitivity):
        raise ExportError(
            "search and sensitivity rank all nodes, search_layers layers alone: choose one"
        )
    if minutes is not None and not (auto and minutes > 0):
        raise ExportError(f"minutes limit auto and must be more than 0, got {minutes}")
    with requires("export"):
        from litepose_export.conversion.onnx_file import read_onnx
        from litepose_export.conversion.sample_inputs import read_photographs

        # Before PyTorch is loaded, photographs are read and people looked for: is there a network?
        _, manifest = read_onnx(Path(source))
        from litepose_export.quantization import job
        from litepose_export.quantization.auto import quantize_auto
        from litepose_export.quantization.gate.bounds import Bounds
        from litepose_export.quantization.options import DEFAULT_FLOAT, QuantizeOptions
    options = QuantizeOptions(
        target=target,
        count=count,
        method=method,
        percentile=percentile,
        float_patterns=tuple(keep_float) if keep_float else DEFAULT_FLOAT,
        equalize=equalize,
        equalize_groups=equalize_groups,
        bias_correction=bias_correction,
        gptq=gptq,
        clip_search=clip_search,
        finetune_steps=finetune_steps,
        search=search,
        search_layers=search_layers,
        sensitivity=sensitivity,
        bounds=Bounds(max_shift_px, max_p95_px, max_ap_drop, min_recall, min_oks),
        gate_people=gate_people,
        force=force,
        arm_out=None if arm_out is None else Path(arm_out),
    )
    if isinstance(calibration, CocoDataset):
        photographs = calibration
    else:
        photographs = read_photographs(Path(calibration), manifest)
    compared = _photographs(held_out)
    if auto:
        return quantize_auto(
            Path(source),
            Path(path),
            photographs,
            options,
            minutes=minutes,
            held_out=compared,
            started=progress,
        )
    return job.quantize(
        Path(source), Path(path), photographs, options, held_out=compared, started=progress
    )


def verify(
    path: PathType,
    network: nn.Module | str | None = None,
    *,
    checkpoint: PathType | None = None,
    progress: Callable[[str], None] = _silent,
) -> dict[str, Any]:
    """Compare a float ONNX file with the network it came from, once more.

    Args:
        path: The ONNX file.
        network: The module, or `"my_package.nets:build"`, or the name of a network of
            `litepose-export list`, or the JSON file of a search; unless given the one that the
            checkpoint names, or the network of the catalogue that the manifest names.
        checkpoint: Its weights; a module of yours keeps its own unless given.
        progress: Told what is being done.

    Returns:
        Name, path and figures: the largest difference of an output, and of keypoints.

    Raises:
        ParityError: They differ.
        CheckpointError: The weights are not the network's.
        ExportError: The file is quantized, or there is nothing to compare it with.
        BackendUnavailableError: The extra `export` is not installed.
    """
    with requires("export"):
        from litepose_export.conversion import export as conversion
        from litepose_export.conversion.onnx_file import read_onnx
        from litepose_export.models.trained import read_trained
    weights = None if checkpoint is None else Path(checkpoint)
    if network is None and weights is not None:
        network = read_trained(weights).network
    if network is not None and not _is_name(network):
        _, manifest = read_onnx(Path(path))
        network = _module(network, manifest)
    return conversion.verify(Path(path), weights, network=network, step=progress)


def make_portable(
    model: PathType,
    path: PathType,
    *,
    colour: Literal["bgr", "rgb", "rgba"] = "bgr",
    precision: Literal["int8", "fp32"] | None = None,
    target: Literal["x86", "arm"] = "x86",
    detector: PathType | None = None,
    min_score: float | None = None,
    detector_size: int | None = None,
) -> PortableReport:
    """Put crop, decoding and suppression into a model's graph, for other languages.

    Args:
        model: A bundled name such as `"lrpose-s"`, or the path of an ONNX file with a manifest,
            float or INT8.
        path: The ONNX file to write.
        colour: Order of the frame's channels.
        precision: Of a bundled model; INT8 unless given.
        target: The CPU it is for: INT8 files of ours get signed activations for `"arm"`.
        detector: With a pose network: the detector to put into the same graph, which then finds
            the people by itself; a bundled name or a path.
        min_score: Of a detector: boxes, or people, below are not reported; 0.3 unless given.
        detector_size: With a detector: one view of at most so many pixels a side, rather than
            those that its file names.

    Raises:
        ExportError: The network finds all people of a frame by itself, or an option does not fit.
        UnsupportedOpError: An operator has no recent form.
        ParityError: The graph answers otherwise than the runtime; nothing is written.
        ModelError: The model cannot be read.
        OutputError: The place cannot be written, or is a file that is read.
        BackendUnavailableError: The extra `export` is not installed.
    """
    with requires("export"):
        from litepose_export.portable import job
    options = job.PortableOptions(
        colour=colour,
        precision=precision,
        target=target,
        detector=detector if detector is None or isinstance(detector, str) else Path(detector),
        min_score=min_score,
        detector_size=detector_size,
    )
    return job.convert(model if isinstance(model, str) else Path(model), Path(path), options)


def _is_name(network: nn.Module | str) -> bool:
    """Whether a network is one of the catalogue or of a file, rather than the user's code."""
    return isinstance(network, str) and (":" not in network or network.endswith(".json"))


def _module(network: nn.Module | str, manifest: Manifest) -> nn.Module:
    from litepose_export.models import user_networks

    if not isinstance(network, str):
        return network
    keypoints = len(getattr(manifest.model, "skeleton", ()))
    return user_networks.build(network, keypoints, manifest.input.size)


def _photographs(given: Photographs | None) -> CocoDataset | None:
    if given is None or isinstance(given, CocoDataset):
        return given
    return read_coco(Path(given))
