"""Counts every network and writes the catalogue's table.

Run `python -m litepose_export.models.catalogue_table` after a network was added or changed.
"""

from __future__ import annotations

import msgspec
import torch

from litepose_edge.atomic_files import write_file
from litepose_export.models.catalogue import TABLE, Row
from litepose_export.models.counting import count
from litepose_export.models.networks import CATALOGUE, COCO_JOINTS, CatalogueEntry


def describe(network: CatalogueEntry) -> Row:
    """A network's row, counted and not copied."""
    with torch.device("meta"):  # built without memory
        module = network.build(COCO_JOINTS, network.input_size)
    cost = count(module, network.input_size)
    return Row(
        network=network.name,
        width=network.input_size.width,
        height=network.input_size.height,
        parameters=cost.parameters,
        macs=cost.macs,
        published=network.accuracy,
        source=network.source,
        reconstructed=network.reconstructed,
    )


def encode(rows: list[Row]) -> bytes:
    """The table's text, the same bytes for the same networks."""
    return msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n"


def write_table() -> None:
    """Count all networks and write the table."""
    write_file(TABLE, encode([describe(network) for network in CATALOGUE]))


if __name__ == "__main__":
    write_table()
