"""Fine-tunes the weights, biases and scales of an INT8 graph to the float file's outputs.

No labels are needed: the float file is the teacher and stays as it is (Finkelstein et al.,
arXiv 1911.10999; all degrees of freedom at once as in arXiv 2212.02634).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from litepose_edge.backends import Session, open_bytes
from litepose_edge.geometry import Size
from litepose_edge.manifest import HeatmapSpec, Manifest, TopDownSpec
from litepose_export.conversion.sample_inputs import Inputs
from litepose_export.quantization.optimize.simulation import QdqNetwork

SEED = 11
# Weight of logits away from peaks, by that of logits on a peak: they must stay low.
BACKGROUND = 0.05
BATCH = 16
# Pixels of an input up to which a step takes a full batch.
LARGEST_FULL_BATCH = 320 * 320
# Steps after which the time of one is known.
TIMED_STEPS = 3


@dataclass(frozen=True, slots=True)
class FinetuneOptions:
    """How the fine-tuning runs.

    Attributes:
        steps: Optimiser steps.
        batch: Inputs a step.
        codes: Largest move of a weight in one step, in codes of its own scale.
        scales: The same of an activation's scale, as a part of it.
        biases: The same of a bias, as a part of its layer's mean one.
        warmup: Steps until the full rate.
        end: When to be done, on the monotonic clock: after a few timed steps there will be no
            more of them than fit; None for all of them.
    """

    steps: int = 300
    batch: int = BATCH
    codes: float = 0.02
    scales: float = 1e-3
    biases: float = 2e-4
    warmup: int = 10
    end: float | None = None


def batch_for(size: Size) -> int:
    """Inputs a step that keep memory and time of a step in bounds, whatever the input's size."""
    return max(2, min(BATCH, BATCH * LARGEST_FULL_BATCH // (size.width * size.height)))


def finetune_to_float(
    network: QdqNetwork,
    teacher: onnx.ModelProto,
    manifest: Manifest,
    batches: Iterator[NDArray[Any]],
    options: FinetuneOptions,
    advance: Callable[[float], None] = lambda loss: None,
) -> list[float]:
    """Train the network to give the float file's outputs; the loss of every step.

    Args:
        network: The INT8 graph, changed in place.
        teacher: The float file.
        manifest: Tells where outputs matter.
        batches: Inputs as the file takes them, `(N, 3, H, W)` or `(N, H, W, 3)`, without end.
        options: Steps and rates.
        advance: Told the loss after each step.
    """
    session = open_bytes(teacher.SerializeToString())
    groups = _groups(network, options)
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    losses: list[float] = []
    steps, began = options.steps, time.monotonic()
    while (step := len(losses)) < steps:
        rate = min(1.0, (step + 1) / options.warmup)
        rate *= 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        batch = next(batches)
        wanted = _outputs(session, batch)
        loss = _distance(network(torch.from_numpy(batch)), wanted, manifest)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
        advance(losses[-1])
        if options.end is not None and len(losses) == TIMED_STEPS:
            now = time.monotonic()
            fitting = int((options.end - now) * TIMED_STEPS / (now - began))
            steps = max(TIMED_STEPS, min(steps, TIMED_STEPS + fitting))
    session.close()
    return losses


def mirrored_batches(inputs: Inputs, batch: int, seed: int = SEED) -> Iterator[NDArray[Any]]:
    """Random calibration inputs, half of them mirrored from left to right, without end."""
    rng = np.random.default_rng(seed)
    across = 2 if inputs.spec.channels_last else 3
    while True:
        chosen = inputs.batch(rng.integers(0, len(inputs), batch).tolist())
        if rng.random() < 0.5:
            chosen = np.ascontiguousarray(np.flip(chosen, across))
        yield chosen


def _outputs(session: Session, batch: NDArray[Any]) -> list[Tensor]:
    """The teacher's outputs; files of one image at a time are asked one by one."""
    parts = [batch] if isinstance(session.input.shape[0], str) else np.split(batch, len(batch))
    answers = [session.run(part).values() for part in parts]
    return [torch.from_numpy(np.concatenate(values)) for values in zip(*answers, strict=True)]


def _distance(found: tuple[Tensor, ...], wanted: list[Tensor], manifest: Manifest) -> Tensor:
    """Mean squared difference of the outputs; of logits of heat, most where there is heat."""
    spec = manifest.model
    head = spec.head if isinstance(spec, TopDownSpec) else None
    total = torch.zeros(())
    for got, want in zip(found, wanted, strict=True):
        if isinstance(head, HeatmapSpec) and head.activation == "sigmoid":
            weight = torch.sigmoid(want) + BACKGROUND
            total = total + (weight * (got - want) ** 2).sum() / weight.sum()
        else:
            total = total + ((got - want) ** 2).mean() / want.var().clamp(min=1e-12)
    return total


def _groups(network: QdqNetwork, options: FinetuneOptions) -> list[dict[str, Any]]:
    """Adam moves every number by its rate at first: the rates are set in the numbers' own units."""
    groups = []
    for key, weight in network.weights.items():
        step = float(network.weight_scales[key].mean())
        groups.append({"params": [weight], "lr": options.codes * step})
    for value in network.floats.values():
        size = float(value.detach().abs().mean())
        groups.append({"params": [value], "lr": options.biases * max(size, 1e-6)})
    groups.append({"params": list(network.scales.values()), "lr": options.scales})
    for group in groups:
        group["peak"] = group["lr"]
    return groups
