"""Options that had another name before: using one is an error that names the new one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RENAMED_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        # export
        "--color": "--colour",
        "--reach": "--max-join-distance",
        # train
        "--fresh": "--reinit",
        "--hold": "--constant-rate-share",
        "--refine": "--stage finetune",
        "--resident": "--data-on-device",
        # quantize
        "--adaptive-rounding": "--gptq",
        "--follow": "--finetune-steps",
        "--range-search": "--clip-search",
        "--twin": "--arm-out",
    }
)
