"""The `litepose-export` command; imports PyTorch only inside the commands that need it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from litepose_edge.cli.console import complain, messages, results, run_command
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.cli.console import need, print_report, progress
from litepose_export.cli.quantize import quantize, train_quantized
from litepose_export.cli.quantize_openvino import quantize_openvino
from litepose_export.errors import ExportError

app = typer.Typer(
    name="litepose-export",
    help="PyTorch checkpoints to verified ONNX and INT8 files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class ColourName(StrEnum):
    """Channel orders."""

    RGB = "rgb"
    BGR = "bgr"


class LossName(StrEnum):
    """Losses on heatmaps; see `litepose_export.training.core.losses`."""

    RCE = "rce"
    RCE_RESIDUAL = "rce-residual"
    RCE_PLACE = "rce-place"
    RCE_RESIDUAL_PLACE = "rce-residual-place"
    MSE = "mse"


JsonReport = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code."""
    return run_command(app, arguments, complain, model_errors=(ExportError,))


@app.command()
def train(
    network: Annotated[
        str, typer.Argument(help="lrpose-n/s/m (--resident: also joined by +), ...")
    ],
    data: Annotated[
        list[Path], typer.Option(help="COCO keypoint JSON, or shards of pack; repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run; a checkpoint in it is continued.")],
    dev: Annotated[Path | None, typer.Option(help="COCO JSON to score on.")] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(help="Pose: two (teacher, second opinion). Detector, bottom-up: one."),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoint or released float .onnx to start from (--resident: or a folder)."
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.0, help="Part of the usual learning rates, for --init.")
    ] = 1.0,
    loss: Annotated[
        LossName, typer.Option(help="Of LRPose: heat, residual form, heat and place, or MSE.")
    ] = LossName.RCE,
    teacher_share: Annotated[
        float, typer.Option(min=0, max=1, help="Of LRPose: the teacher against the labels.")
    ] = 0.4,
    hold: Annotated[
        float | None,
        typer.Option(min=0, max=0.99, help="Part of the run at the peak rates before they fall."),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(help="Of LRPose: a part that stays as --init has it; repeatable."),
    ] = None,
    fresh: Annotated[
        list[str] | None,
        typer.Option(help="Of LRPose: a part that takes nothing from --init; repeatable."),
    ] = None,
    refine: Annotated[
        bool, typer.Option("--refine", help="A gentler second run from --init.")
    ] = False,
    qat: Annotated[
        bool, typer.Option("--qat", help="Fine-tune the INT8 form of --init FILE.onnx instead.")
    ] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps in all.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Training time in all; steps repeat, minutes do not.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights and samples.")] = 0,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda; cuda where there is one.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="PyTorch's CPU threads.")] = None,
    resident: Annotated[
        bool,
        typer.Option(
            "--resident", help="Of LRPose: photographs and teacher (one IR) live on the device."
        ),
    ] = False,
) -> None:
    """Train one of our networks on COCO-format photographs."""
    if (steps is None) == (minutes is None):
        raise typer.BadParameter("give either --steps or --minutes")
    session = need("litepose_export.training.runs.runner")
    torch = need("torch")
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    options = session.RunOptions(
        data=tuple(data),
        dev=dev,
        folder=out,
        budget=session.Budget(steps=steps, minutes=minutes),
        seed=seed,
        device=chosen,
        threads=threads,
        init=init,
        rate=rate,
        refine=refine,
        loss=loss.value,
        teachers=tuple(teacher or ()),
        teacher_share=teacher_share,
        hold=hold,
        frozen=tuple(freeze or ()),
        fresh=tuple(fresh or ()),
        resident=resident,
    )
    if qat:
        train_quantized(network, options)
        return
    with progress() as bar:
        display = _display(session, bar)
        names = network.split("+")
        lrpose = all(name in ("lrpose-n", "lrpose-s", "lrpose-m") for name in names)
        if (options.frozen or options.fresh or resident) and not lrpose:
            raise typer.BadParameter("only LRPose takes --freeze, --fresh and --resident")
        if network == "persondet":
            _check_teachers(options.teachers, 1, "a detector")
            checkpoint = session.train_detector(options, display)
        elif lrpose and resident:
            _check_teachers(options.teachers, 1, "a resident run")
            sizes = tuple(name[-1] for name in names)
            trained = need("litepose_export.training.runs.accelerator")
            checkpoint = trained.train_resident(sizes, options, display)
        elif lrpose and len(names) == 1:
            _check_teachers(options.teachers, 2, "a pose network")
            pose = need("litepose_export.training.runs.pose")
            checkpoint = pose.train_pose(network[-1], options, display)
        elif network.startswith("litepose-"):
            _check_teachers(options.teachers, 1, "a bottom-up network")
            checkpoint = session.train_bottom_up(network, options, display)
        else:
            raise typer.BadParameter(f"no network '{network}' to train")
    results.print(str(checkpoint), markup=False)


def _check_teachers(teachers: tuple[Path, ...], count: int, who: str) -> None:
    """Refuse any number of teachers but none and `count`."""
    if len(teachers) not in (0, count):
        raise typer.BadParameter(f"{who} takes {count} --teacher, or none")


@app.command()
def pack(
    data: Annotated[list[Path], typer.Option(help="COCO keypoint JSON; repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder of the shards, at most 60 MiB each.")],
    teacher: Annotated[
        list[Path] | None, typer.Option(help="Two: teacher and second opinion, packed as well.")
    ] = None,
) -> None:
    """Pack training people as small crops that travel to the machine that trains."""
    session = need("litepose_export.training.runs.runner")
    pose = need("litepose_export.training.runs.pose")
    teachers = tuple(teacher or ())
    _check_teachers(teachers, 2, "packing")
    with progress() as bar:
        shards = pose.pack_people(tuple(data), out, teachers, _display(session, bar))
    for shard in shards:
        results.print(str(shard), markup=False)


@app.command()
def plot(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or their log.csv.")],
    out: Annotated[Path, typer.Option(help="PNG or SVG to draw.")],
) -> None:
    """Draw loss and AP of training runs over the steps."""
    need("litepose_export.training.runs.plot", extra="plot").draw(runs, out)
    results.print(str(out), markup=False)


@app.command(name="list")
def list_networks(as_json: JsonReport = False) -> None:
    """The networks that can be built: size, cost, published accuracy, what is reconstructed."""
    catalogue = need("litepose_export.models.catalogue")
    rows = catalogue.describe()
    if as_json:
        results.file.write(json.dumps([row.to_dict() for row in rows]) + "\n")
        return
    table = Table(box=None)
    for heading in catalogue.HEADINGS:
        table.add_column(heading, no_wrap=heading in ("network", "input", "parameters", "MACs"))
    for row in rows:
        table.add_row(*row.cells())
    results.print(table)


@app.command()
def export(
    network: Annotated[str, typer.Argument(help="One of `litepose-export list`.")],
    checkpoint: Annotated[Path, typer.Option(help="Training checkpoint or bare state dict.")],
    out: Annotated[Path, typer.Option(help="The ONNX file to write.")],
    height: Annotated[int | None, typer.Option(min=1, help="Input height, if not its own.")] = None,
    width: Annotated[int | None, typer.Option(min=1, help="Input width, if not its own.")] = None,
    dynamic_batch: Annotated[
        bool, typer.Option("--dynamic-batch", help="Any number of crops at once; otherwise one.")
    ] = False,
    dynamic_size: Annotated[
        bool,
        typer.Option("--dynamic-size", help="LitePose, PersonDet: of any height and width."),
    ] = False,
    uint8_input: Annotated[
        bool, typer.Option("--uint8-input", help="Take (N, H, W, 3) uint8 BGR pixels.")
    ] = False,
    rewrite_deconv: Annotated[
        bool,
        typer.Option("--rewrite-deconv", help="Deconvolutions in a form that INT8 can run."),
    ] = False,
    float16_storage: Annotated[
        bool, typer.Option("--float16-storage", help="Half the file; computes in float32.")
    ] = False,
    color: Annotated[
        ColourName | None, typer.Option(help="Channel order the weights were trained with.")
    ] = None,
    samples: Annotated[
        Path | None, typer.Option(help="COCO JSON whose photographs check the parity; else noise.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=0.99,
            help="Detector, LRPose: score that shall become 0.3; LitePose: least peak.",
        ),
    ] = None,
    max_join_distance: Annotated[
        float | None,
        typer.Option(min=0.01, help="LitePose: how far, by the short side, keypoints join people."),
    ] = None,
    as_json: JsonReport = False,
) -> None:
    """Export a checkpoint to a float ONNX file that provably computes the same."""
    pipeline = need("litepose_export.conversion.export")
    names = [known.name for known in pipeline.networks.CATALOGUE]
    if network not in names:
        raise typer.BadParameter(f"no network '{network}'; there are: {', '.join(names)}")
    options = pipeline.ExportOptions(
        width=width,
        height=height,
        colour=color.value if color else None,
        graph=pipeline.GraphOptions(
            dynamic_batch=dynamic_batch,
            dynamic_size=dynamic_size,
            uint8=uint8_input,
            rewrite_deconvolutions=rewrite_deconv,
        ),
        half_storage=float16_storage,
        threshold=threshold,
        max_join_distance=max_join_distance,
    )
    with _steps() as step:
        report = pipeline.export(
            network,
            checkpoint,
            out,
            options,
            samples=read_coco(samples) if samples else None,
            step=step,
        )
    print_report(report.to_dict(), as_json=as_json)


@app.command()
def verify(
    model: Annotated[Path, typer.Argument(help="ONNX file that this command line exported.")],
    checkpoint: Annotated[Path, typer.Option(help="The checkpoint it was exported from.")],
    as_json: JsonReport = False,
) -> None:
    """Compare a float ONNX file with the checkpoint it came from, once more."""
    pipeline = need("litepose_export.conversion.export")
    with _steps() as step:
        report = pipeline.verify(model, checkpoint, step=step)
    print_report(report, as_json=as_json)


app.command()(quantize)
app.command()(quantize_openvino)


@app.command()
def ort(
    model: Annotated[Path, typer.Argument(help="ONNX file with a manifest, float or INT8.")],
    out: Annotated[Path, typer.Option(help="The .ort file to write.")],
    as_json: JsonReport = False,
) -> None:
    """Convert to ONNX Runtime's own format, which its reduced builds for devices read."""
    print_report(
        need("litepose_export.conversion.ort_format").convert(model, out).to_dict(), as_json=as_json
    )


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="Folder of the files to ship.")],
) -> None:
    """Write the saturation probe and SHA256SUMS beside the models of a folder."""
    module = need("litepose_export.conversion.publish")
    module.write_probe(folder)
    module.write_checksums(folder)


@contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """A spinner beside the name of the step under way."""
    with messages.status("") as status:
        yield status.update


def _display(session: Any, bar: Progress) -> Any:
    tasks: list[Any] = []  # of the training itself, once it starts

    def started(what: str, total: int) -> Callable[[], None]:
        teaching = bar.add_task(what, total=total, note="")
        return lambda: bar.advance(teaching)

    def stepped(p: Any) -> None:
        note = f"step {p.step}  loss {p.loss:.4f}  {p.crops_per_second:.0f}/s  {p.input_height} px"
        if not tasks:
            tasks.append(bar.add_task("train", total=1.0, note=""))
        bar.update(tasks[0], completed=p.part, note=note)

    def scored(metrics: dict[str, float]) -> None:
        figures = "  ".join(f"{name} {value:.3f}" for name, value in metrics.items())
        messages.print(f"dev: {figures}")

    return session.Display(started, stepped, scored)
