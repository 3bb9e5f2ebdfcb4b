"""Shared by tests of training: plain crops and views, and a display that shows nothing."""

from __future__ import annotations

from litepose_export.training.bottomup.views import ViewOptions
from litepose_export.training.data.augmentation import Augmentation
from litepose_export.training.runs.runner import Display

# The boxes' crops, only mirrored.
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
# Whole photographs as the runtime letterboxes them.
PLAIN_VIEWS = ViewOptions(whole=1, flip=0, colour=0, blur=0)
SILENT = Display(lambda what, total: lambda: None, lambda progress: None, lambda metrics: None)
