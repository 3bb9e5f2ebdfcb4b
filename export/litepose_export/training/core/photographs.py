"""Decodes the photographs of annotation files."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from litepose_edge.sources import read_image

Image = NDArray[np.uint8]
READERS = 4


def read_photographs(paths: Iterable[Path]) -> tuple[Image, ...]:
    """Decode photographs in parallel, EXIF orientation ignored as COCO's labels demand.

    Raises:
        SourceError: A file is missing or no image.
    """
    with ThreadPoolExecutor(READERS) as pool:
        return tuple(pool.map(lambda path: read_image(path, upright=False), paths))
