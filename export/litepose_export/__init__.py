"""PyTorch networks to verified ONNX and INT8 files; nothing here runs on a device."""

from litepose_export.api import export, make_portable, quantize, verify
from litepose_export.models.user_manifests import (
    bottom_up_manifest,
    detector_manifest,
    heatmap_manifest,
    regression_manifest,
    simcc_manifest,
)
from litepose_export.models.user_one_stage import one_stage_manifest

__all__ = [
    "bottom_up_manifest",
    "detector_manifest",
    "export",
    "heatmap_manifest",
    "make_portable",
    "one_stage_manifest",
    "quantize",
    "regression_manifest",
    "simcc_manifest",
    "verify",
]
