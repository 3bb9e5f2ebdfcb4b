"""Where scikit-image keeps its photographs, which anyone may use (extra `demo`)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from litepose_edge.errors import BackendUnavailableError, install_hint


def scikit_image_photographs() -> Path:
    """The folder of the photographs that scikit-image's wheel holds.

    Raises:
        BackendUnavailableError: It is not installed.
    """
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise BackendUnavailableError(
            "the demo photographs come with scikit-image, which is not installed. "
            f"{install_hint('demo')}"
        )
    return Path(spec.submodule_search_locations[0]) / "data"
