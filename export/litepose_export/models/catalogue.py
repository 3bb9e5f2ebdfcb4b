"""What `litepose-export list` says about each network, read from a table without PyTorch."""

from __future__ import annotations

from pathlib import Path

import msgspec

# Made by `python -m litepose_export.models.catalogue_table`; a test holds it to the code.
TABLE = Path(__file__).with_name("catalogue.json")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One network, for COCO's 17 keypoints.

    Attributes:
        network: Its name.
        width: Of its own input.
        height: Of its own input.
        parameters: Learned numbers.
        macs: Multiply-accumulates for one image, transposed convolutions at input positions.
        published: Accuracy as published for it; empty if there is none.
        source: Of that figure or of the network.
        reconstructed: What the sources leave open; empty if nothing.
    """

    network: str
    width: int
    height: int
    parameters: int
    macs: int
    published: str
    source: str
    reconstructed: str


def read_rows() -> list[Row]:
    """Every network of the catalogue."""
    return msgspec.json.decode(TABLE.read_bytes(), type=list[Row])
