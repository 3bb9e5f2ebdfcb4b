"""The `litepose-edge` command: what errors become on the way out."""

from __future__ import annotations

import sys

from litepose_edge.cli.app import run


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))
