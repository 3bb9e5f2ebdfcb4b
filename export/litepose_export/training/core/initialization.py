"""Starts a network from a checkpoint, or from a released float model by unfolding its weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from litepose_edge.atomic_files import check_file
from litepose_edge.backends import bundled
from litepose_edge.manifest import METADATA_KEY, manifest_from_metadata
from litepose_edge.skeletons import Skeleton
from litepose_export.conversion.storage import restore_storage
from litepose_export.errors import CheckpointError
from litepose_export.models.architectures.efficientpose import EfficientPose
from litepose_export.models.checkpoints import read_state
from litepose_export.models.folding import fold_batch_norms
from litepose_export.models.remapping.remap import remap_network
from litepose_export.models.trained import read_trained

FLOAT = "*.fp32.onnx"
WEIGHTS = Path(__file__).parents[3] / "weights"  # in a checkout


def start_from(
    network: nn.Module,
    path: Path,
    run: Callable[[nn.Module], object],
    reinit: Sequence[str] = (),
) -> int:
    """Give a network whatever fits of a checkpoint or a model file.

    An EfficientPose whose blocks are others than the checkpoint's takes them remapped
    (`models.remapping`).

    Args:
        network: Changed in place.
        path: Checkpoint of ours, of a network like this one, or the float `.onnx` file of one; for
            EfficientPose of any network of inverted residuals.
        run: Runs a network on a batch of training images; a checkpoint does not need it.
        reinit: Names of modules that take nothing and keep their initial weights.

    Returns:
        How many tensors fitted.

    Raises:
        CheckpointError: It cannot be read, or nothing fits.
    """
    if path.suffix == ".onnx":
        return _start_from_model(network, path, run, reinit)
    weights = read_state(path)
    own = network.state_dict()
    fitting = _fitting(weights, own, reinit)
    if isinstance(network, EfficientPose) and _misses_blocks(own, fitting, reinit):
        return _remap(network, weights, reinit)
    if not fitting:
        raise CheckpointError(f"nothing in {path} fits the network")
    network.load_state_dict({**own, **fitting})
    return len(fitting)


def find_weights(init: Path) -> Path:
    """The file of weights to start from: a path, or the name of a released network.

    Raises:
        CheckpointError: There is neither.
    """
    if init.exists() or init.suffix or init.name != str(init):
        return init
    file = f"{init.name}.fp32.onnx"
    for folder in (bundled.FOLDER, WEIGHTS):
        if (folder / file).exists():
            return folder / file
    found = sorted({p.name.split(".")[0] for f in (bundled.FOLDER, WEIGHTS) for p in f.glob(FLOAT)})
    raise CheckpointError(
        f"no float weights named '{init}': there are {', '.join(found)} (some come with a "
        "checkout only, in export/weights); or give the path of a checkpoint"
    )


def finds_keypoints(path: Path, skeleton: Skeleton) -> bool:
    """Whether weights are of a network that finds these keypoints, as far as they say."""
    if path.suffix == ".onnx":
        try:
            check_file(path)
            stored = {e.key: e.value for e in onnx.load(path).metadata_props}
        except Exception as exc:
            # onnx lets through what protobuf raises on damaged bytes.
            raise CheckpointError(f"cannot read {path}: {exc}") from exc
        if METADATA_KEY not in stored:
            return True
        known = getattr(manifest_from_metadata(stored, path).model, "skeleton", None)
    else:
        known = read_trained(path).skeleton
    return known is None or known.keypoint_names == skeleton.keypoint_names


def read_average(network: nn.Module, path: Path) -> nn.Module:
    """What a checkpoint or a model file computes, to run; `network` gives the architecture."""
    if path.suffix == ".onnx":
        return _read_folded(network, path)[0]
    start_from(network, path, lambda _: None)
    return network


def _fitting(
    weights: Mapping[str, Tensor], own: Mapping[str, Tensor], reinit: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Tensors that have the name and shape of a network's own, but for modules to leave."""
    left = tuple(f"{module}." for module in reinit)
    return {
        name: value
        for name, value in weights.items()
        if name in own and own[name].shape == value.shape and not name.startswith(left)
    }


def _misses_blocks(
    own: Mapping[str, Tensor], fitting: Mapping[str, Tensor], reinit: Sequence[str]
) -> bool:
    """Whether an EfficientPose's blocks would not all be taken as they are."""
    wanted = _fitting(own, own, reinit)
    return any(name.startswith("blocks.") and name not in fitting for name in wanted)


def _remap(network: EfficientPose, weights: Mapping[str, Tensor], reinit: Sequence[str]) -> int:
    initial = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    others = _fitting(initial, initial, reinit)
    taken = remap_network(network, weights)
    left = {name: tensor for name, tensor in initial.items() if name not in others}
    network.load_state_dict({**network.state_dict(), **left})
    return taken


def _read_folded(
    network: nn.Module, path: Path, reinit: Sequence[str] = ()
) -> tuple[nn.Module, set[str]]:
    """A copy without normalisations that computes what a model file does; what came from it."""
    try:
        check_file(path)
        model = restore_storage(onnx.load(path))
    except Exception as exc:
        # onnx lets through what protobuf raises on damaged bytes.
        raise CheckpointError(f"cannot read {path}: {exc}") from exc
    # Writable copies: PyTorch shares their memory.
    stored = {i.name: torch.tensor(numpy_helper.to_array(i)) for i in model.graph.initializer}
    folded = fold_batch_norms(network)
    own = folded.state_dict()
    fitting = _fitting(stored, own, reinit)
    if not fitting:
        raise CheckpointError(f"nothing in {path} fits the network")
    folded.load_state_dict({**own, **fitting})
    return folded, set(fitting)


@torch.no_grad()
def _start_from_model(
    network: nn.Module, path: Path, run: Callable[[nn.Module], object], reinit: Sequence[str]
) -> int:
    """Give a network the weights of a model file.

    A folded convolution has lost its normalisation. It gets one again with the statistics of
    its outputs on real images, so that the network computes the same in training and in
    evaluation, and its kernel rows become as long as the network's initial ones: the
    optimiser's steps are sized for those.
    """
    folded, fitting = _read_folded(network, path, reinit)
    unfold(network, folded, fitting, run)
    return len(fitting)


@torch.no_grad()
def unfold(
    network: nn.Module, folded: nn.Module, names: set[str], run: Callable[[nn.Module], object]
) -> None:
    """Give a network the weights of a copy of it without normalisations.

    Args:
        network: Changed in place.
        folded: The copy, as of `fold_batch_norms`.
        names: Which of the copy's tensors to take.
        run: Runs a network on a batch of training images.
    """
    outputs = _outputs_of(folded, run)
    layers, folded_layers = dict(network.named_modules()), dict(folded.named_modules())
    for name, follower in normalised_layers(network).items():
        if f"{name}.weight" not in names:
            continue
        convolution, source = layers[name], folded_layers[name]
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(source, nn.Conv2d)
        _unfold(convolution, follower, source, *outputs[name])
    # Layers that never had a normalisation: the predictions.
    own = network.state_dict()
    plain = {k: v for k, v in folded.state_dict().items() if k in names and k in own}
    normalised = {f"{name}.weight" for name in normalised_layers(network)}
    network.load_state_dict({**own, **{k: v for k, v in plain.items() if k not in normalised}})


def normalised_layers(network: nn.Module) -> dict[str, nn.BatchNorm2d]:
    """Names of convolutions that a normalisation follows, and that normalisation."""
    found = {}
    for name, module in network.named_modules():
        if not isinstance(module, nn.Sequential):
            continue
        for (first, layer), (_, follower) in itertools.pairwise(module.named_children()):
            if isinstance(layer, nn.Conv2d) and isinstance(follower, nn.BatchNorm2d):
                found[f"{name}.{first}" if name else first] = follower
    return found


def _outputs_of(
    folded: nn.Module, run: Callable[[nn.Module], object]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and variance of every convolution's output channels."""
    statistics: dict[str, tuple[Tensor, Tensor]] = {}

    def recorder(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def record(module: nn.Module, inputs: object, output: Tensor) -> None:
            values = output.float()
            statistics[name] = values.mean(dim=(0, 2, 3)), values.var(dim=(0, 2, 3))

        return record

    hooks = [
        module.register_forward_hook(recorder(name))
        for name, module in folded.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    try:
        run(folded)
    finally:
        for hook in hooks:
            hook.remove()
    return statistics


def _unfold(
    convolution: nn.Conv2d,
    normalisation: nn.BatchNorm2d,
    source: nn.Conv2d,
    mean: Tensor,
    variance: Tensor,
) -> None:
    """Kernel and normalisation that together compute `source`, given its outputs' statistics."""
    assert source.bias is not None
    assert normalisation.running_mean is not None
    assert normalisation.running_var is not None
    initial, rows = (layer.weight.flatten(1).norm(dim=1) for layer in (convolution, source))
    scale = torch.where(rows > 0, initial / rows.clamp(min=1e-12), 1.0)
    convolution.weight.copy_(source.weight * scale[:, None, None, None])
    normalisation.running_mean.copy_((mean - source.bias) * scale)
    normalisation.running_var.copy_(variance * scale**2)
    deviation = (normalisation.running_var + normalisation.eps).sqrt()
    normalisation.weight.copy_(deviation / scale)
    normalisation.bias.copy_(mean)
