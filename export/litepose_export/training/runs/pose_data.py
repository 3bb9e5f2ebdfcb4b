"""The data of pose runs: people from annotation files or shards, distillation targets, masks.

Targets and masks take long to make and are kept in the run's folder, with a hash of what they were
made of: of other people, labels or teachers they are made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from litepose_edge.atomic_files import make_folder
from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco
from litepose_edge.skeletons import COCO_17
from litepose_export.errors import ExportError
from litepose_export.training.data.content_hash import hash_people
from litepose_export.training.data.distillation_targets import (
    DistillationTargets,
    load_distillation_targets,
    save_distillation_targets,
)
from litepose_export.training.data.packing import load_packs, pack
from litepose_export.training.data.people import People, load_people
from litepose_export.training.data.person_masks import (
    PersonMasks,
    load_person_masks,
    save_person_masks,
    segment_people,
)
from litepose_export.training.distillation.keypoint_teacher import distill_keypoints
from litepose_export.training.distillation.teacher import distill, open_teacher
from litepose_export.training.runs.runner import Display

SHARD = ".npz"
UNLABELLED_SIDE_PX = 24.0  # of the shorter side of a box of a person without keypoints
TARGETS_FILE, MASKS_FILE = "distillation_targets.npz", "person_masks.npz"


def load_pose_data(
    data: Sequence[Path],
    teachers: tuple[Path, ...],
    folder: Path,
    display: Display,
    images: Sequence[Path] = (),
    *,
    negatives: Sequence[Path] = (),
    sources: int = 0,
) -> tuple[People, DistillationTargets | None]:
    """The people of annotation files or of packed crops, and what the teachers say of them.

    Args:
        data: COCO files, or shards.
        teachers: One or two (`PoseRunOptions`), or none.
        folder: Where what the teachers say is kept.
        display: Progress.
        images: Folders of the COCO files' photographs; `images/` beside each if empty.
        negatives: COCO files whose boxes show no one (`HeatmapRunOptions`).
        sources: How many a mix asks for. With one more than COCO files that label someone, people
            without keypoints come along, whom the teachers label.

    Raises:
        ExportError: Both kinds of files are given, crops and teachers, teachers of other
            keypoints than the labels', or people without keypoints and no teacher.
    """
    shards = [path for path in data if path.suffix == SHARD]
    if not shards:
        datasets = [read_coco(path, images) for path in data]
        unlabelled = sources > sum(map(_labels_someone, datasets))
        if unlabelled and not teachers:
            raise ExportError("people without keypoints, the last share of --mix, need a --teacher")
        side = UNLABELLED_SIDE_PX if unlabelled else None
        hard = [read_coco(path, images) for path in negatives]
        people = load_people(datasets, unlabelled_side_px=side, negatives=hard)
        skeleton = people.skeleton
        if not teachers:
            return people, None
        if len(teachers) == 1:
            cache, started = folder / TARGETS_FILE, display.started
            return people, kept_targets(
                people,
                teachers,
                cache,
                lambda: distill_keypoints(
                    people, teachers[0], started("run the teacher", len(people))
                ),
            )
        if skeleton.keypoint_names != COCO_17.keypoint_names:
            raise ExportError(
                f"the data label {len(skeleton)} keypoints ({skeleton.name}) and the teachers "
                "know COCO's 17: leave out --teacher"
            )
        return people, _distillation_targets(people, teachers, folder / TARGETS_FILE, display)
    if len(shards) < len(data):
        raise ExportError("give annotation files or packed crops, not both")
    if negatives:
        raise ExportError("packed crops show people alone: give no --negatives")
    if teachers:
        raise ExportError("packed crops bring their distillation targets: give no --teacher")
    packed = load_packs(shards)
    return packed.people, packed.targets


def _labels_someone(dataset: CocoDataset) -> bool:
    return any((image.keypoints[..., 2] > 0).any() for image in dataset)


def load_masks(people: People, folder: Path, display: Display) -> PersonMasks:
    """Masks of all people, from the folder if they were made of the same ones."""
    cache, made_of = folder / MASKS_FILE, hash_people(people)
    if cache.exists() and (kept := load_person_masks(cache, made_of)) is not None:
        return kept
    masks = segment_people(people, display.started("segment people", len(people)))
    save_person_masks(masks, cache, made_of)
    return masks


def pack_people(
    data: Sequence[Path],
    folder: Path,
    teachers: tuple[Path, ...],
    display: Display,
    images: Sequence[Path] = (),
) -> list[Path]:
    """Pack the people of COCO files, with distillation targets if there are teachers.

    Returns:
        The shards.
    """
    make_folder(folder)
    people, targets = load_pose_data(data, teachers, folder, display, images)
    return pack(people, targets, folder, progress=display.started("pack", len(people)))


def _distillation_targets(
    people: People, teachers: tuple[Path, ...], cache: Path, display: Display
) -> DistillationTargets:
    """What two teachers' maps say, from the cache if it is of the same people and teachers."""

    def make() -> DistillationTargets:
        first, second = (open_teacher(path) for path in teachers)
        return distill(people, first, second, display.started("run the teachers", len(people)))

    return kept_targets(people, teachers, cache, make)


def kept_targets(
    people: People,
    teachers: tuple[Path, ...],
    cache: Path,
    make: Callable[[], DistillationTargets],
) -> DistillationTargets:
    """Targets from the cache if they were made of the same; else new ones, kept there."""
    made_of = hash_people(people, teachers)
    if cache.exists() and (kept := load_distillation_targets(cache, made_of)) is not None:
        return kept
    targets = make()
    save_distillation_targets(targets, cache, made_of)
    return targets
