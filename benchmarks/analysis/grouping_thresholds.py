"""AP of a bottom-up file over its threshold and its join distance, to choose both by.

    python -m benchmarks.analysis.grouping_thresholds litepose-xs.fp32.onnx train.json
        [--photographs 150]

Choose on photographs that the figures are not quoted on. The choice goes into `litepose-export
export --threshold T --max-join-distance R`; without the latter keypoints join people at any
distance, as published.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from litepose_edge import backends
from litepose_edge.backends.session import Session
from litepose_edge.manifest import BottomUpSpec
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.measure.accuracy.coco_metrics import coco_metrics
from litepose_edge.pipelines.bottomup import BottomUp
from litepose_edge.sources import read_image

THRESHOLDS = (0.3, 0.4, 0.5, 0.6)
MAX_JOIN_DISTANCES = (None, 0.1, 0.15, 0.2, 0.3)


class CachingSession:
    """A session that runs every photograph once; `photograph` is the number of the current one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._answers: dict[int, dict[str, NDArray[Any]]] = {}
        self.input = session.input
        self.photograph = 0

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The network's outputs for the current photograph."""
        if self.photograph not in self._answers:
            self._answers[self.photograph] = self._session.run(batch)
        return self._answers[self.photograph]

    def close(self) -> None:
        """Close the session behind."""
        self._session.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--photographs", type=int, default=150, help="evenly spread over the file")
    options = parser.parse_args()
    found = backends.find_model(options.model, threads=1)
    spec = found.manifest.model
    if not isinstance(spec, BottomUpSpec):
        parser.error(f"{options.model} is no bottom-up network")
    dataset = read_coco(options.data)
    chosen = np.unique(np.linspace(0, len(dataset) - 1, options.photographs).round().astype(int))
    photographs = [dataset.images[i] for i in chosen]
    pixels = [read_image(image.path, upright=False) for image in photographs]
    ids = [image.image_id for image in photographs]
    session = CachingSession(found.open(1))
    print("threshold  join distance      AP   AP50  people")
    for threshold in THRESHOLDS:
        for max_join_distance in MAX_JOIN_DISTANCES:
            model = msgspec.structs.replace(
                spec, min_peak=threshold, max_join_distance=max_join_distance
            )
            manifest = msgspec.structs.replace(found.manifest, model=model)
            pipeline = BottomUp(lambda _: session, manifest, 1)
            entries: list[dict[str, Any]] = []
            for number, (image_id, photograph) in enumerate(zip(ids, pixels, strict=True)):
                session.photograph = number
                entries += pipeline(photograph).to_coco(image_id)
            scored = coco_metrics(dataset.path, entries, "keypoints", ids)
            limit = max_join_distance or "none"
            row = f"{threshold:9.2f}  {limit:>13}  {scored.ap:.4f} {scored.ap50:.4f}"
            print(f"{row}  {len(entries):6d}")


if __name__ == "__main__":
    main()
