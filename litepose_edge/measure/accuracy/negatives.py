"""Views without people: whoever is found in them is a false positive (extra `demo`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import SourceError
from litepose_edge.sources import read_image
from litepose_edge.sources.photographs import scikit_image_photographs

# scikit-image's photographs that show no people.
WITHOUT_PEOPLE = (
    "coffee", "rocket", "chelsea", "brick", "gravel", "grass", "moon", "retina",
    "hubble_deep_field", "coins",
)  # fmt: skip
CROP_PX = 320


def views_without_people(
    crops: int, photographs: Sequence[str] = WITHOUT_PEOPLE, *, seed: int = 0
) -> list[NDArray[np.uint8]]:
    """Photographs without people, each whole and then in random square crops of 320 px.

    100 crops of all photographs make the 1,010 views that false positives are quoted on.

    Args:
        crops: How many of each photograph; smaller where a photograph is.
        photographs: Names of scikit-image's photographs.
        seed: The same seed cuts the same crops.

    Returns:
        `(H, W, 3)` uint8 BGR images.

    Raises:
        BackendUnavailableError: scikit-image is not installed.
        SourceError: Its wheel does not hold a photograph.
    """
    folder = scikit_image_photographs()
    rng = np.random.default_rng(seed)
    views = []
    for name in photographs:
        path = next(folder.glob(f"{name}.*"), None)
        if path is None:
            raise SourceError(f"scikit-image's wheel does not hold '{name}'")
        image = read_image(path)
        views.append(image)
        for _ in range(crops):
            y = int(rng.integers(0, max(1, image.shape[0] - CROP_PX)))
            x = int(rng.integers(0, max(1, image.shape[1] - CROP_PX)))
            views.append(np.ascontiguousarray(image[y : y + CROP_PX, x : x + CROP_PX]))
    return views
