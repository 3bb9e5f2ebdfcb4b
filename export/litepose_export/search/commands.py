"""The three searches as the command line starts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from litepose_edge.geometry import Size
from litepose_export.errors import SearchError
from litepose_export.search.costs.measure import measuring_of
from litepose_export.search.efficientpose import search as efficientpose
from litepose_export.search.evolution import EvolutionOptions
from litepose_export.search.job import SearchDisplay, SearchJob
from litepose_export.search.litepose.space import LitePoseSpace
from litepose_export.search.lrpose.space import INPUT_SIZES, LRPoseSpace
from litepose_export.search.result import SearchResult
from litepose_export.search.supernet.reorganize import re_organize_weights
from litepose_export.search.supernet.search import SupernetSearch, search_supernet
from litepose_export.search.supernet.tasks import CropTask, Photographs, SceneTask
from litepose_export.search.supernet.training import SupernetOptions
from litepose_export.training.core.initialization import start_from

LITEPOSE_SIZE = Size(256, 256)
LITEPOSE_MULTIPLE, LRPOSE_MULTIPLE = 16, 32


def search_litepose(
    job: SearchJob,
    display: SearchDisplay,
    *,
    sizes: Sequence[Size] = (),
    counter: str | None = None,
    depth: bool = False,
    kernels: bool = False,
    **options: Any,
) -> SearchResult:
    """LitePose's search: a supernet of whole scenes, and evolution.

    Args:
        job: The search.
        display: Where progress goes.
        sizes: Input sizes; several open them. 256x256 unless given.
        counter: Command that counts ARM instructions.
        depth: Open the numbers of blocks.
        kernels: Open the kernels.
        options: Of the supernet and the evolution; see `_supernet_search`.

    Raises:
        SearchError: A size is no multiple of 16, the weights are a model file's, or the search
            cannot be run.
    """
    _check_start(job.init)
    chosen = tuple(sizes) or (LITEPOSE_SIZE,)
    _check_sizes(chosen, LITEPOSE_MULTIPLE)
    photographs = Photographs(job.data, job.dev, job.images)
    keypoints = len(photographs.skeleton())
    space = LitePoseSpace(keypoints, chosen, depth=depth, kernels=kernels)
    side = max(min(size.width, size.height) for size in chosen)
    return search_supernet(
        space,
        SceneTask(photographs, keypoints, short_side=side),
        job,
        measuring_of(job.kind, counter),
        _supernet_search(**options),
        display,
        _start(job.init),
    )


def search_lrpose(
    job: SearchJob,
    display: SearchDisplay,
    *,
    sizes: Sequence[Size] = (),
    counter: str | None = None,
    **options: Any,
) -> SearchResult:
    """LRPose's search: a supernet of crops, and evolution.

    Args:
        job: The search.
        display: Where progress goes.
        sizes: Input sizes; several open them. Four from 96x128 to 256x320 unless given.
        counter: Command that counts ARM instructions.
        options: Of the supernet and the evolution; see `_supernet_search`.

    Raises:
        SearchError: A size is no multiple of 32, the weights are a model file's, or the search
            cannot be run.
    """
    _check_start(job.init)
    chosen = tuple(sizes) or INPUT_SIZES
    _check_sizes(chosen, LRPOSE_MULTIPLE)
    photographs = Photographs(job.data, job.dev, job.images)
    return search_supernet(
        LRPoseSpace(len(photographs.skeleton()), chosen),
        CropTask(photographs),
        job,
        measuring_of(job.kind, counter),
        _supernet_search(**options),
        display,
        _start(job.init),
    )


def search_efficientpose(
    job: SearchJob,
    display: SearchDisplay,
    *,
    sizes: Sequence[Size] = (),
    counter: str | None = None,
    **options: Any,
) -> SearchResult:
    """EfficientPose's search: differentiable.

    Args:
        job: The search.
        display: Where progress goes.
        sizes: One input size, or none for 192x256.
        counter: Command that counts ARM instructions.
        options: As `EfficientPoseOptions` has them.

    Raises:
        SearchError: There are several sizes, the weights are a model file's, or the search cannot
            be run.
    """
    _check_start(job.init)
    if len(sizes) > 1:
        raise SearchError("efficientpose searches at one --input-size")
    if sizes:
        options["input_size"] = sizes[0]

    chosen = efficientpose.EfficientPoseOptions(**options)
    return efficientpose.search_efficientpose(job, measuring_of(job.kind, counter), display, chosen)


def _supernet_search(
    *,
    sandwich: bool = False,
    distil: bool = False,
    shrinking: bool = False,
    population: int = 40,
    generations: int = 40,
    mutation: float = 0.1,
    **others: Any,
) -> SupernetSearch:
    return SupernetSearch(
        training=SupernetOptions(sandwich=sandwich, distil=distil, shrinking=shrinking),
        evolution=EvolutionOptions(population, generations, mutation=mutation),
        **others,
    )


def _check_sizes(sizes: Sequence[Size], multiple: int) -> None:
    for size in sizes:
        if size.width % multiple or size.height % multiple:
            raise SearchError(
                f"--input-size must be multiples of {multiple}, got {size.width}x{size.height}"
            )


def _check_start(init: Path | None) -> None:
    """Refuse a model file, whose normalizations are folded, before costs are measured."""
    if init is not None and init.suffix == ".onnx":
        raise SearchError(
            f"a search starts from a checkpoint, got {init}: give the last.pt of a training run"
        )


def _start(init: Path | None) -> Callable[[nn.Module], None]:
    """Weights to start from: what fits of them, the most important channels first."""

    def start(network: nn.Module) -> None:
        if init is not None:
            start_from(network, init, lambda _: None)
            re_organize_weights(network)

    return start
