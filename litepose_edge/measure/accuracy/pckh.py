"""PCKh@0.5, MPII's measure: keypoints within half a head's size of where they are.

Andriluka et al., CVPR 2014. A head's size is 0.6 of the diagonal of its box; pelvis and thorax
are not counted in the mean, as in the published tables.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from litepose_edge.errors import SourceError
from litepose_edge.geometry import Float32
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
        SourceError: A person has no `head_box`.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        sizes: dict[int, list[float]] = {entry["id"]: [] for entry in document["images"]}
        for person in document["annotations"]:
            x1, y1, x2, y2 = person["head_box"]
            sizes[person["image_id"]].append(HEAD_PART * float(np.hypot(x2 - x1, y2 - y1)))
    except OSError as exc:
        raise SourceError(f"cannot read annotations {path}: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise SourceError(
            f"{path} cannot be scored by PCKh, which needs head_box: {exc!r}"
        ) from exc
    return {image: np.array(found, np.float32) for image, found in sizes.items()}
