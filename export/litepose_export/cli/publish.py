"""`litepose-export publish`: the saturation probe and the checksums of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from litepose_export.cli.console import requires


def publish(
    folder: Annotated[Path, typer.Argument(help="Folder of the files to ship.")],
) -> None:
    """Write the saturation probe and SHA256SUMS beside the models of a folder."""
    with requires("export"):
        from litepose_export.conversion import publish as files
    files.write_probe(folder)
    files.write_checksums(folder)
