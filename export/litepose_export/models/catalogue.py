"""What `litepose-export list` says about each network, counted and not copied."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from litepose_export.models.counting import count
from litepose_export.models.networks import CATALOGUE, COCO_JOINTS

HEADINGS = ("network", "input", "parameters", "MACs", "published", "source", "reconstructed")


@dataclass(frozen=True, slots=True)
class Row:
    """One network, for COCO's 17 keypoints.

    Attributes:
        network: Its name.
        width: Of its own input.
        height: Of its own input.
        parameters: Learned numbers.
        macs: Multiply-accumulates for one image, transposed convolutions at input positions.
        published: Accuracy as published for it; empty if there is none.
        source: Of that figure or of the network.
        reconstructed: What the sources leave open.
    """

    network: str
    width: int
    height: int
    parameters: int
    macs: int
    published: str
    source: str
    reconstructed: str

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        return asdict(self)

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        return (
            self.network,
            f"{self.height}x{self.width}",
            f"{self.parameters:,}",
            f"{self.macs / 1e9:.3f} G",
            self.published or "-",
            self.source,
            self.reconstructed or "-",
        )


def describe() -> list[Row]:
    """Every network of the catalogue, built without memory and counted."""
    rows = []
    for network in CATALOGUE:
        with torch.device("meta"):
            module = network.build(COCO_JOINTS, network.input_size)
            cost = count(module, network.input_size)
        rows.append(
            Row(
                network=network.name,
                width=network.input_size.width,
                height=network.input_size.height,
                parameters=cost.parameters,
                macs=cost.macs,
                published=network.accuracy,
                source=network.source,
                reconstructed=network.reconstructed,
            )
        )
    return rows
