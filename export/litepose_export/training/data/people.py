"""Loads annotated people and their decoded photographs into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float32
from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco
from litepose_edge.skeletons import COCO_17, Skeleton
from litepose_export.errors import ExportError
from litepose_export.training.core.photographs import Image, read_photographs


@dataclass(frozen=True, slots=True)
class People:
    """Labelled people and the photographs they are in.

    Attributes:
        images: Decoded BGR photographs.
        image_index: `(N,)` int64, the photograph of each person.
        boxes_xyxy: `(N, 4)` float32.
        keypoints: `(N, K, 3)` float32 `(x, y, v)`, COCO visibility.
        source: `(N,)` int64, which of the annotation files a person came from.
        image_boxes_xyxy: For each photograph `(P, 4)` float32, the boxes of all people in it,
            also of those without keypoints.
        negatives_xyxy: For each photograph `(N, 4)` float32, boxes that show no one and that a
            detector takes for people; or nothing, if they are not known.
        skeleton: Which keypoints.
    """

    images: tuple[Image, ...]
    image_index: NDArray[np.int64]
    boxes_xyxy: Float32
    keypoints: Float32
    source: NDArray[np.int64]
    image_boxes_xyxy: tuple[Float32, ...]
    negatives_xyxy: tuple[Float32, ...] = ()
    skeleton: Skeleton = COCO_17

    def __len__(self) -> int:
        return len(self.boxes_xyxy)

    @property
    def sources(self) -> int:
        """Of how many sources they are: a file that shows no one is none."""
        return len(np.unique(self.source))


def common_skeleton(datasets: Sequence[CocoDataset]) -> Skeleton:
    """The keypoint set of annotation files, which must label the same keypoints.

    Raises:
        ExportError: They label different ones.
        SkeletonError: A file's keypoints contradict themselves.
    """
    found = [Skeleton.from_coco(dataset.path) for dataset in datasets]
    for skeleton, dataset in zip(found, datasets, strict=True):
        if skeleton.keypoint_names != found[0].keypoint_names:
            raise ExportError(
                f"{dataset.path} labels other keypoints ({len(skeleton)}) than "
                f"{datasets[0].path} ({len(found[0])}): train on files of one keypoint set"
            )
    return found[0]


def read_dev(path: Path, images: Sequence[Path], skeleton: Skeleton) -> CocoDataset:
    """The file that a run scores on.

    Args:
        path: COCO keypoint file.
        images: Folders of its photographs; `images/` beside it if empty.
        skeleton: The keypoints that the network finds.

    Raises:
        ExportError: It labels other keypoints.
        SourceError: It is not in COCO's keypoint format.
    """
    dataset = read_coco(path, images)
    found = Skeleton.from_coco(dataset.path)
    if found.keypoint_names != skeleton.keypoint_names:
        raise ExportError(
            f"{path} labels other keypoints ({len(found)}) than the data to train on "
            f"({len(skeleton)}, {skeleton.name}): give a --dev file of the same"
        )
    return dataset


def load_people(
    datasets: Sequence[CocoDataset],
    min_side_px: float = 32.0,
    unlabelled_side_px: float | None = None,
    negatives: Sequence[CocoDataset] = (),
) -> People:
    """Every person with keypoints whose box is at least `min_side_px` on its shorter side.

    Args:
        datasets: Annotation files.
        min_side_px: Smaller people are left out.
        unlabelled_side_px: With it, people without keypoints and at least as large come along, as
            a source of their own behind the files.
        negatives: Files whose boxes show no one, of the same photographs; others are left out.

    Raises:
        ExportError: There is not one, the files label different keypoints, or none of the
            `negatives` lies in their photographs.
    """
    skeleton = common_skeleton(datasets)
    paths: list[Path] = []
    index: list[NDArray[np.int64]] = []
    boxes: list[Float32] = []
    keypoints: list[Float32] = []
    source: list[NDArray[np.int64]] = []
    image_boxes: list[Float32] = []
    for number, dataset in enumerate(datasets):
        for image in dataset:
            extent = image.boxes_xyxy[:, 2:] - image.boxes_xyxy[:, :2]
            seen, side = image.keypoints[..., 2] > 0, extent.min(axis=1)
            keep = seen.any(axis=1) & (side >= min_side_px)
            if unlabelled_side_px is not None:
                keep |= ~seen.any(axis=1) & (side >= unlabelled_side_px)
            keep &= ~image.crowd
            if not keep.any():
                continue
            index.append(np.full(int(keep.sum()), len(paths), np.int64))
            source.append(np.where(seen[keep].any(axis=1), number, len(datasets)))
            boxes.append(image.boxes_xyxy[keep])
            keypoints.append(image.keypoints[keep])
            paths.append(image.path)
            image_boxes.append(image.boxes_xyxy)
    if not paths:
        names = ", ".join(str(dataset.path) for dataset in datasets)
        raise ExportError(
            f"nothing to train on in {names}: expected labelled keypoints in boxes of at least "
            f"{min_side_px:.0f} pixels"
        )
    none = np.zeros((0, 4), np.float32)
    hard: dict[Path, Float32] = {}
    for image in (image for dataset in negatives for image in dataset):
        hard[image.path] = np.concatenate([hard.get(image.path, none), image.boxes_xyxy])
    without = tuple(hard.get(path, none) for path in paths) if negatives else ()
    if negatives and not any(map(len, without)):
        names = ", ".join(str(dataset.path) for dataset in negatives)
        raise ExportError(f"no box of {names} lies in a photograph that is trained on")
    return People(
        images=read_photographs(paths),
        image_index=np.concatenate(index),
        boxes_xyxy=np.concatenate(boxes),
        keypoints=np.concatenate(keypoints),
        source=np.concatenate(source),
        image_boxes_xyxy=tuple(image_boxes),
        negatives_xyxy=without,
        skeleton=skeleton,
    )


def data_hash(files: Iterable[Path]) -> str:
    """SHA-256 over the bytes of annotation files, shards or weights, for the record of a run.

    Raises:
        ExportError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for path in files:
        try:
            digest.update(path.read_bytes())
        except OSError as exc:
            raise ExportError(f"cannot read {path}: {exc.strerror}") from exc
    return digest.hexdigest()
