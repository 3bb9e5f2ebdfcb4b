"""The `litepose-edge` command: what errors become on the way out."""

from __future__ import annotations

import os
import sys

from litepose_edge.cli.app import run


def main() -> None:
    """Entry point of the console script."""
    # FFmpeg's own lines would stand between ours, which say the same. It reads this once.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    sys.exit(run(sys.argv[1:]))
