"""`litepose-export list`: the networks that can be built."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich.table import Table

from litepose_edge.cli.console import results
from litepose_export.cli.console import JsonReport, print_report
from litepose_export.models.catalogue import Row, read_rows


def list_networks(
    network: Annotated[str | None, typer.Argument(help="Show all that is known of one.")] = None,
    as_json: JsonReport = False,
) -> None:
    """List the networks that can be built: input, size, cost, published accuracy."""
    rows = read_rows()
    if network is not None:
        rows = [row for row in rows if row.network == network]
        if not rows:
            known = ", ".join(row.network for row in read_rows())
            raise typer.BadParameter(f"no network '{network}'; there are: {known}")
    if as_json:
        results.file.write(msgspec.json.encode(rows).decode() + "\n")
    elif network is not None:
        print_report(msgspec.to_builtins(rows[0]), as_json=False)
    else:
        results.print(_table(rows))


def _table(rows: list[Row]) -> Table:
    """What fits on 80 columns: of several published figures the first."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("network", no_wrap=True)
    table.add_column("input", no_wrap=True)
    table.add_column("parameters", no_wrap=True, justify="right")
    table.add_column("MACs", no_wrap=True, justify="right")
    table.add_column("published", no_wrap=True)
    for row in rows:
        table.add_row(
            row.network,
            f"{row.height}x{row.width}",
            f"{row.parameters / 1e6:.2f} M",
            f"{row.macs / 1e9:.3f} G",
            row.published.partition(",")[0] or "-",
        )
    return table
