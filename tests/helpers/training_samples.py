"""Shared by tests of training: plain crops and views, and a display that shows nothing."""

from __future__ import annotations

from litepose_export.training.bottomup.views import ViewOptions
from litepose_export.training.data.augmentation import NONE
from litepose_export.training.runs.runner import Display

# The boxes' crops, only mirrored.
PLAIN = NONE
# Whole photographs as the runtime letterboxes them.
PLAIN_VIEWS = ViewOptions(whole=1, flip=0, colour=0, blur=0)
SILENT = Display(lambda what, total: lambda: None, lambda progress: None, lambda metrics: None)
