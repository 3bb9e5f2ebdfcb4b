"""Pose estimation as a step of one's own Ray Data pipeline."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import InvalidImageError, SourceError
from litepose_edge.estimator import Estimator
from litepose_edge.results import Poses

logger = logging.getLogger(__name__)


class PoseMapper:
    """A class for `ray.data`'s `map_batches`: a batch of images in, one row a person out.

    `dataset.map_batches(PoseMapper, batch_size=32, num_cpus=1)`; options go into
    `fn_constructor_kwargs`. Each actor opens one estimator of one thread, and gets one CPU.

    Args:
        column: The column with the images: paths, encoded bytes (`ray.data.read_binary_files`),
            or `(H, W, 3)` uint8 arrays (`ray.data.read_images`). It is left out of the result,
            paths stay.
        colour: Order of the arrays' channels; `read_images` gives `"rgb"`.
        on_error: `"raise"` ends the pipeline at an image that cannot be read, `"skip"` logs a
            warning and goes on.
        **options: As `Estimator` takes them.

    Raises:
        ValueError: An option is out of range.
    """

    def __init__(
        self,
        column: str = "path",
        *,
        colour: Literal["bgr", "rgb"] = "bgr",
        on_error: Literal["raise", "skip"] = "raise",
        **options: Any,
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error must be 'raise' or 'skip', got {on_error!r:.100}")
        cv2.setNumThreads(1)
        self._column, self._colour, self._skips = column, colour, on_error == "skip"
        self._estimator = Estimator(**{"threads": 1, **options})

    def __call__(self, batch: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The people of a batch.

        Args:
            batch: Columns of `(N, ...)`, among them the images'.

        Returns:
            Each of the other columns, repeated for each person, and `score` `(P,)`, `box_xyxy`
            `(P, 4)`, `keypoints` `(P, K, 2)`, `scores` `(P, K)` float32; `image_width` and
            `image_height` `(P,)` int32. Pixels are the image's.

        Raises:
            SourceError: An image cannot be read.
            InvalidImageError: An array is no image.
            KeyError: The batch has no such column.
            ValueError: A column is named as one of the results.
        """
        if self._column not in batch:
            raise KeyError(f"the batch has no column '{self._column}': {', '.join(batch)}")
        rows: list[int] = []
        found: list[Poses] = []
        for row, image in enumerate(batch[self._column]):
            try:
                poses = self._estimator.predict(image, colour=self._colour)
            except (SourceError, InvalidImageError) as exc:
                if not self._skips:
                    raise
                logger.warning("skipped: %s", exc)
                continue
            if len(poses):
                rows += [row] * len(poses)
                found.append(poses)
        kept = {
            name: values[rows]
            for name, values in batch.items()
            if name != self._column or isinstance(next(iter(values), None), str)
        }
        results = self._columns(found)
        if clashes := kept.keys() & results.keys():
            raise ValueError(
                f"the batch has columns named as results are: {', '.join(sorted(clashes))}; "
                "rename them before"
            )
        return {**kept, **results}

    def _columns(self, found: list[Poses]) -> dict[str, NDArray[Any]]:
        if not found:
            # The same columns as elsewhere: batches of one pipeline have one schema.
            found = [self._estimator.predict(np.zeros((32, 32, 3), np.uint8))[:0]]
        sizes = [(p.image_size.width, p.image_size.height) for p in found for _ in range(len(p))]
        widths_heights = np.array(sizes, np.int32).reshape(-1, 2)
        return {
            "score": np.concatenate([p.person_scores for p in found]),
            "box_xyxy": np.concatenate([p.boxes_xyxy for p in found]),
            "keypoints": np.concatenate([p.keypoints for p in found]),
            "scores": np.concatenate([p.scores for p in found]),
            "image_width": widths_heights[:, 0],
            "image_height": widths_heights[:, 1],
        }
