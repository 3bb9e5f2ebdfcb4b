"""`litepose-export list`: the networks that can be built."""

from __future__ import annotations

import json

from rich.table import Table

from litepose_edge.cli.console import results
from litepose_export.cli.console import JsonReport, requires


def list_networks(as_json: JsonReport = False) -> None:
    """The networks that can be built: size, cost, published accuracy, what is reconstructed."""
    with requires("export"):
        from litepose_export.models import catalogue
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
