"""PCKh@0.5, MPII's measure: keypoints within half a head's size of where they are.

Andriluka et al., CVPR 2014. A head's size is 0.6 of the diagonal of its box; pelvis and thorax
are not counted in the mean, as in the published tables.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from litepose_edge.geometry import Float32
from litepose_edge.measure.accuracy.coco_document import finite_numbers, read_document
from litepose_edge.skeletons import MPII_16

HEAD_PART = 0.6
THRESHOLD = 0.5
UNCOUNTED = tuple(MPII_16.keypoint_names.index(name) for name in ("pelvis", "thorax"))


@dataclass(frozen=True, slots=True)
class PckhMetrics:
    """Parts of the labelled keypoints that were found, in `[0, 1]`.

    Attributes:
        mean: Over all labelled keypoints but pelvis and thorax.
        by_keypoint: For each keypoint's name; nan where no person has it labelled.
    """

    mean: float
    by_keypoint: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        return asdict(self)


def pckh(
    keypoints: Float32, labels: Float32, head_sizes: Float32, threshold: float = THRESHOLD
) -> PckhMetrics:
    """Score one prediction for each labelled person.

    Args:
        keypoints: `(P, 16, 2)` float32 in pixels.
        labels: `(P, 16, 3)` float32 `(x, y, v)`, `v` 0 where not labelled.
        head_sizes: `(P,)` float32 in pixels.
        threshold: Part of the head size within which a keypoint is found.
    """
    distance = np.linalg.norm(keypoints - labels[..., :2], axis=-1)
    labelled = labels[..., 2] > 0
    found = (distance <= threshold * head_sizes[:, None]) & labelled
    counts = labelled.sum(axis=0)
    rates = np.where(counts > 0, found.sum(axis=0) / np.maximum(counts, 1), np.nan)
    counted = np.ones(labels.shape[1], np.bool_)
    counted[list(UNCOUNTED)] = False
    total = labelled[:, counted].sum()
    mean = found[:, counted].sum() / total if total else np.nan
    names = MPII_16.keypoint_names
    return PckhMetrics(float(mean), {n: float(r) for n, r in zip(names, rates, strict=True)})


def read_head_sizes(path: Path) -> dict[int, Float32]:
    """For each image id the head sizes of its people, in the order of their annotations.

    MPII's own files are MATLAB's; in COCO's form each person carries `head_box`, `[x1, y1, x2,
    y2]` in pixels.

    Raises:
        SourceError: The file is not in COCO's form, or a person has no `head_box`.
    """
    document = read_document(path)
    sizes: dict[int, list[float]] = {entry["id"]: [] for entry in document.images}
    for person, origin in zip(document.annotations, document.origins, strict=True):
        where = f"{path} cannot be scored by PCKh: {origin}"
        x1, y1, x2, y2 = finite_numbers(person.get("head_box"), 4, "head_box", where)
        sizes[person["image_id"]].append(HEAD_PART * float(np.hypot(x2 - x1, y2 - y1)))
    return {image: np.array(found, np.float32) for image, found in sizes.items()}
