"""`litepose-export publish`: the saturation probe and the checksums of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from litepose_export.cli.console import (
    need,
)


def publish(
    folder: Annotated[Path, typer.Argument(help="Folder of the files to ship.")],
) -> None:
    """Write the saturation probe and SHA256SUMS beside the models of a folder."""
    module = need("litepose_export.conversion.publish")
    module.write_probe(folder)
    module.write_checksums(folder)
