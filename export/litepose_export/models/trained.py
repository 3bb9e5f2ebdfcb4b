"""What a training run says of its network: in its checkpoint, for whoever exports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from litepose_edge.geometry import Size
from litepose_edge.manifest import Activation, Manifest, TopDownSpec, Training
from litepose_edge.skeletons import Skeleton
from litepose_export.errors import CheckpointError
from litepose_export.models.checkpoints import read_metadata
from litepose_export.models.thresholds import Thresholds

T = TypeVar("T")
SKELETON, INPUT_SIZE, ACTIVATION, TRAINING = "skeleton", "input_size", "activation", "training"
NETWORK, NAME, THRESHOLDS, MANIFEST = "network", "name", "thresholds", "manifest"


@dataclass(frozen=True, slots=True)
class TrainedAs:
    """What a checkpoint says; None each for what it does not, as those of others.

    Attributes:
        skeleton: Which keypoints its network finds.
        input_size: It was trained at, in the end.
        activation: What makes heat of its maps.
        training: The data, teachers and licence of the run.
        network: What the run was asked to train: a name of the catalogue or an import path.
        name: What the exported file shall be called, if not as the network is.
        thresholds: Measured on the run's dev file.
        manifest: Of a network that is not in the catalogue.
    """

    skeleton: Skeleton | None = None
    input_size: Size | None = None
    activation: Activation | None = None
    training: Training | None = None
    network: str | None = None
    name: str | None = None
    thresholds: Thresholds | None = None
    manifest: Manifest | None = None

    def to_metadata(self) -> dict[str, str]:
        """As it goes into a checkpoint."""
        known = {
            SKELETON: self.skeleton,
            INPUT_SIZE: self.input_size,
            TRAINING: self.training,
            THRESHOLDS: self.thresholds,
            MANIFEST: self.manifest,
        }
        metadata = {
            key: msgspec.json.encode(value).decode()
            for key, value in known.items()
            if value is not None
        }
        plain = {ACTIVATION: self.activation, NETWORK: self.network, NAME: self.name}
        return metadata | {key: value for key, value in plain.items() if value is not None}


def with_thresholds(trained: TrainedAs, thresholds: Thresholds) -> TrainedAs:
    """The same with measured thresholds, in the manifest too if it carries one."""
    manifest = trained.manifest
    if manifest is not None and isinstance(manifest.model, TopDownSpec):
        manifest = msgspec.structs.replace(manifest, model=thresholds.applied(manifest.model))
    return replace(trained, thresholds=thresholds, manifest=manifest)


def read_trained(path: Path) -> TrainedAs:
    """What a checkpoint says of its network.

    Raises:
        ModelFileMissingError: There is no such file.
        CheckpointError: It cannot be read, or what it says makes no sense.
    """
    metadata = read_metadata(path)

    try:
        activation = metadata.get(ACTIVATION)
        return TrainedAs(
            skeleton=_read(metadata, SKELETON, Skeleton),
            input_size=_read(metadata, INPUT_SIZE, Size),
            activation=None if activation is None else msgspec.convert(activation, Activation),
            training=_read(metadata, TRAINING, Training),
            network=metadata.get(NETWORK),
            name=metadata.get(NAME),
            thresholds=_read(metadata, THRESHOLDS, Thresholds),
            manifest=_read(metadata, MANIFEST, Manifest),
        )
    except (msgspec.DecodeError, msgspec.ValidationError, TypeError, ValueError) as exc:
        raise CheckpointError(f"{path}: what it says of its network is damaged: {exc}") from exc


def _read(metadata: Mapping[str, str], key: str, kind: type[T]) -> T | None:
    text = metadata.get(key)
    return None if text is None else msgspec.json.decode(text, type=kind)
