"""`litepose-edge bench compare`: reports of several boards, commits or models side by side."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.atomic_files import check_targets, write_files
from litepose_edge.cli.console import results
from litepose_edge.measure.bench.report import comparison_pages
from litepose_edge.measure.bench.report.comparison import NamedReport
from litepose_edge.measure.bench.report.document import read_report

EXAMPLES = ("litepose-edge bench-compare pi5.json laptop.json --out both",)


def compare(
    reports: Annotated[
        list[Path],
        typer.Argument(
            help="Two or more bench.json, or folders that hold one; the first is the baseline."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for compare.md, .csv and .html.")] = None,
) -> None:
    """Compare reports of several boards, commits or models.

    Configurations that are the same stand in one row, with ratios to the first report and the
    noise floors of both. Reports that have no model in common are compared model against model.
    """
    if not 2 <= len(reports) <= comparison_pages.MOST_REPORTS:
        raise typer.BadParameter(
            f"expected 2 to {comparison_pages.MOST_REPORTS} reports, got {len(reports)}"
        )
    # As os.path asks: a name may be too long for `is_dir`.
    files = [path / "bench.json" if os.path.isdir(path) else path for path in reports]  # noqa: PTH112
    named = [
        NamedReport(name, read_report(path))
        for name, path in zip(_names(files), files, strict=True)
    ]
    if out is not None:
        check_targets(out / "compare.html")
        write_files(
            {
                out / "compare.md": comparison_pages.to_markdown(named).encode(),
                out / "compare.csv": comparison_pages.to_csv(named).encode(),
                out / "compare.html": comparison_pages.to_html(named).encode(),
            }
        )
    results.file.write(comparison_pages.to_text(named))
    if out is not None:
        results.print(f"report: {out / 'compare.html'}")


def _names(paths: list[Path]) -> list[str]:
    """Each file's name; where names repeat, its folder's or the whole path."""
    for called in (
        [path.stem for path in paths],
        [path.absolute().parent.name for path in paths],
        [str(path) for path in paths],
    ):
        if max(Counter(called).values()) == 1:
            return called
    return [f"{path} ({number})" for number, path in enumerate(paths, 1)]
