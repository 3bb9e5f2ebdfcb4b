"""The `litepose-export` command, one file a subcommand."""

from __future__ import annotations

import sys

from litepose_export.cli.app import run


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))
