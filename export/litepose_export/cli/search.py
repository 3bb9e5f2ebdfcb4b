"""`litepose-export search`: the network for a budget on a processor."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from litepose_edge.cli.console import results
from litepose_edge.cli.options import Images, finite
from litepose_edge.geometry import Size
from litepose_export.cli.console import progress, requires
from litepose_export.cli.given_options import refuse_given
from litepose_export.cli.training import MAX_SEED

if TYPE_CHECKING:
    from rich.progress import Progress

    from litepose_export.search.job import SearchDisplay
    from litepose_export.search.result import SearchResult


class SpaceName(str, Enum):
    """Spaces, and with them ways to search."""

    EFFICIENTPOSE = "efficientpose"
    LITEPOSE = "litepose"
    LRPOSE = "lrpose"


class CostName(str, Enum):
    """What a network costs."""

    INT8_LATENCY = "int8-latency"
    FP32_LATENCY = "fp32-latency"
    MACS = "macs"
    ARM_INSTRUCTIONS = "arm-instructions"


class ScoreName(str, Enum):
    """What candidates are judged by."""

    AP = "ap"
    LOSS = "loss"


class LayoutName(str, Enum):
    """EfficientPose's stages: those of A, or of B and C."""

    A = "a"
    B = "b"


SUPERNETS = (SpaceName.LITEPOSE, SpaceName.LRPOSE)
# Options that some spaces take only.
OPTIONS = {
    (SpaceName.EFFICIENTPOSE,): ("layout",),
    (SpaceName.LITEPOSE,): ("open_depth", "open_kernels"),
    SUPERNETS: (
        *("sandwich", "distil", "gradual_shrinking", "rank", "rank_steps"),
        *("score", "population", "generations", "mutation"),
    ),
}


def search(
    ctx: typer.Context,
    space: Annotated[
        SpaceName,
        typer.Argument(help="Differentiable (efficientpose), or a supernet and evolution."),
    ],
    data: Annotated[list[Path], typer.Option(help="COCO keypoint JSON to learn from; repeatable.")],
    dev: Annotated[Path, typer.Option(help="COCO keypoint JSON that candidates are judged on.")],
    out: Annotated[Path, typer.Option(help="Folder of the search; one in it is continued.")],
    cost: Annotated[CostName, typer.Option(help="What the network may not have too much of.")],
    budget: Annotated[
        float,
        typer.Option(
            callback=finite,
            min=1e-9,
            help="At most so much: milliseconds on one thread; millions of multiply-accumulates "
            "or instructions.",
        ),
    ],
    images: Images = None,
    minutes: Annotated[
        float | None,
        typer.Option(callback=finite, min=0.001, help="About so long; steps repeat exactly."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps of the search.")] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Of weights, samples and candidates.")
    ] = 0,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Samples a step.")] = None,
    input_size: Annotated[
        list[str] | None,
        typer.Option(
            help="WIDTHxHEIGHT; several open the input size (not efficientpose). lrpose: four of "
            "3:4 unless given; else the published one."
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            help="Weights to start from: of the largest network; efficientpose: of any network of "
            "inverted residuals, MobileNetV2 too, remapped (FNA)."
        ),
    ] = None,
    counter: Annotated[
        str | None,
        typer.Option(help="With arm-instructions: the command that counts files in a folder."),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="PyTorch's CPU threads.")] = None,
    layout: Annotated[
        LayoutName, typer.Option(help="efficientpose: stages of A or of B and C.")
    ] = LayoutName.A,
    open_depth: Annotated[
        bool,
        typer.Option("--open-depth", help="litepose: open depth."),
    ] = False,
    open_kernels: Annotated[
        bool,
        typer.Option("--open-kernels", help="litepose: open kernels."),
    ] = False,
    sandwich: Annotated[
        bool,
        typer.Option("--sandwich", help="Largest and smallest network learn at each step."),
    ] = False,
    distil: Annotated[
        bool,
        typer.Option("--distil", help="With --sandwich: others learn from the largest."),
    ] = False,
    gradual_shrinking: Annotated[
        bool,
        typer.Option(
            "--gradual-shrinking", help="The largest network first, smaller options one by one."
        ),
    ] = False,
    rank: Annotated[
        int,
        typer.Option(
            min=0, help="Train so many sub-networks alone as well, and report the rank correlation."
        ),
    ] = 0,
    rank_steps: Annotated[
        int | None,
        typer.Option(min=1, help="Of each of them; as the supernet's."),
    ] = None,
    score: Annotated[
        ScoreName,
        typer.Option(help="loss: where average precision is still too coarse."),
    ] = ScoreName.AP,
    population: Annotated[int, typer.Option(min=2, help="Candidates of a generation.")] = 40,
    generations: Annotated[int, typer.Option(min=1, help="At most so many.")] = 40,
    mutation: Annotated[
        float,
        typer.Option(
            callback=finite, min=0, max=1, help="Probability that a choice is drawn anew."
        ),
    ] = 0.1,
    workers: Annotated[
        int, typer.Option(min=1, help="Candidates judged at once: processes, or actors with --ray.")
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Judge on this Ray cluster (extra scale). auto: on the one that runs here, else "
            "on one that is started for the search."
        ),
    ] = None,
) -> None:
    """Search the network for a budget of time on this processor."""
    if (steps is None) == (minutes is None):
        raise typer.BadParameter("give one of --steps and --minutes")
    others = [options for known, options in OPTIONS.items() if space not in known]
    refuse_given(ctx, sum(others, ()), f"{space.value} does not take these")
    if cost is not CostName.ARM_INSTRUCTIONS:
        refuse_given(ctx, ("counter",), f"--cost {cost.value} counts no instructions")
    if not rank:
        refuse_given(ctx, ("rank_steps",), "there are none without --rank")
    with requires("export"):
        from litepose_export.search import commands
        from litepose_export.search.job import SearchJob
        from litepose_export.training.core.initialization import find_weights
    job = SearchJob(
        data=tuple(data),
        dev=dev,
        images=tuple(images or ()),
        folder=out,
        kind=cost.value,
        budget=budget,
        steps=steps,
        minutes=minutes,
        seed=seed,
        threads=threads,
        batch=batch_size,
        init=None if init is None else find_weights(init),
    )
    sizes = [_size(text) for text in input_size or []]
    options: dict[str, Any] = {"sizes": sizes, "counter": counter, "workers": workers, "ray": ray}
    if space is SpaceName.EFFICIENTPOSE:
        options["layout"] = layout.value
    else:
        options |= {
            "sandwich": sandwich,
            "distil": distil,
            "shrinking": gradual_shrinking,
            "ranked": rank,
            "ranked_steps": rank_steps,
            "score": score.value,
            "population": population,
            "generations": generations,
            "mutation": mutation,
        }
    if space is SpaceName.LITEPOSE:
        options |= {"depth": open_depth, "kernels": open_kernels}
    run: Callable[..., SearchResult] = {
        SpaceName.EFFICIENTPOSE: commands.search_efficientpose,
        SpaceName.LITEPOSE: commands.search_litepose,
        SpaceName.LRPOSE: commands.search_lrpose,
    }[space]
    with progress() as bar:
        result = run(job, _display(bar), **options)
    _print(result, out)


def _size(text: str) -> Size:
    """`WIDTHxHEIGHT`."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise typer.BadParameter(f"--input-size is WIDTHxHEIGHT, such as 192x256, got '{text}'")
    return Size(int(width), int(height))


def _display(bar: Progress) -> SearchDisplay:
    with requires("export"):
        from litepose_export.search.job import SearchDisplay
    tasks: list[Any] = []

    def started(what: str, total: int) -> Callable[[], None]:
        task = bar.add_task(what, total=max(total, 1), note="")
        tasks.append(task)
        return lambda: bar.advance(task)

    def noted(text: str) -> None:
        if tasks:
            bar.update(tasks[-1], note=text)

    return SearchDisplay(started, noted)


def _print(result: SearchResult, out: Path) -> None:
    chosen = result.chosen
    cost = chosen.cost if chosen.measured is None else chosen.measured
    lines = (
        f"{result.score_name} {chosen.score:.4g} at {cost:.4g} {result.unit}, "
        f"{cost / result.budget:.0%} of the budget",
        *(f"{name:<20} {value}" for name, value in chosen.values.items()),
        f"{out / 'report.html'}",
        f"fine-tune: litepose-export train {out / 'network.json'} --init {out / 'network.pt'}",
    )
    for line in lines:
        results.print(line, markup=False)
