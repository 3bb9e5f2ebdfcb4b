"""What tests of training share: crops without augmentation, a display that shows nothing."""

from __future__ import annotations

from litepose_export.training.data.augmentation import Augmentation
from litepose_export.training.runs.runner import Display

# Crops are still mirrored.
PLAIN = Augmentation(
    rotate=0,
    scale=(1, 1),
    shift=0,
    box_jitter=0,
    half_body=0,
    cutout=0,
    blur=0,
    colour=0,
    background=0,
)
SILENT = Display(lambda what, total: lambda: None, lambda progress: None, lambda metrics: None)
