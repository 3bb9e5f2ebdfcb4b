"""What a quantization is asked for, and what it reports."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from litepose_edge.backends import u8s8_is_exact
from litepose_export.errors import ExportError
from litepose_export.figures import GateFigures
from litepose_export.quantization.calibration.qdq import Method, Scheme
from litepose_export.quantization.gate.bounds import Bounds
from litepose_export.quantization.gate.latency import LatencyComparison
from litepose_export.quantization.mixed_precision.sensitivity import Sensitivity

Target = Literal["auto", "x86", "x86-vnni", "arm"]
Verdict = Literal["passed", "too few", "forced"]
SCHEMES: dict[str, Scheme] = {"x86": "u8s8-reduced", "x86-vnni": "u8s8", "arm": "s8s8"}
DEFAULT_FLOAT = ("stem", "head")


@dataclass(frozen=True, slots=True)
class QuantizeOptions:
    """How an INT8 file is made.

    Attributes:
        target: The CPU it is for; `"auto"` asks this machine.
        count: Calibration inputs.
        method: How ranges are found.
        percentile: What `"percentile"` keeps, in percent.
        float_patterns: What stays float; see `mixed_precision.float_nodes.select`.
        equalize: Cross-layer equalization: scale hidden channels to more equal ranges first.
        equalize_groups: The same across sums, pools, ReLU6, depthwise and transposed layers.
        bias_correction: Take the mean error out of each layer.
        gptq: Round weights so that their errors cancel on calibration inputs (GPTQ).
        clip_search: Narrow activation ranges where that lowers the output error.
        finetune_steps: Steps of fine-tuning to the float file's outputs; 0 for none.
        search: Look for the smallest set of further float nodes that meets the bounds.
        search_layers: The same among layers with weights alone, ranked on few inputs.
        sensitivity: Rank the nodes by their output error, even without a search.
        bounds: What the gate allows.
        gate_people: Crops (photographs, for networks that find people) that the gate compares.
        force: Write the file even if it is refused, and stamp it.
        arm_out: Where the same codes are also written with signed activations, for ARM.
        latency_s: How long both files are timed for.

    Raises:
        ExportError: There is no such target or method, or a number is out of its range.
    """

    target: Target = "x86"
    count: int = 300
    method: Method = "minmax"
    percentile: float = 99.99
    float_patterns: tuple[str, ...] = DEFAULT_FLOAT
    equalize: bool = False
    equalize_groups: bool = False
    bias_correction: bool = False
    gptq: bool = False
    clip_search: bool = False
    finetune_steps: int = 0
    search: bool = False
    search_layers: bool = False
    sensitivity: bool = False
    bounds: Bounds = field(default_factory=Bounds)
    gate_people: int = 300
    force: bool = False
    arm_out: Path | None = None
    latency_s: float = 2.0

    def __post_init__(self) -> None:
        for name, known in (("target", get_args(Target)), ("method", get_args(Method))):
            if getattr(self, name) not in known:
                choices = ", ".join(known)
                raise ExportError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")
        if not 50 <= self.percentile <= 100:
            raise ExportError(f"percentile must be between 50 and 100, got {self.percentile}")
        for name, least in (("count", 1), ("gate_people", 1), ("finetune_steps", 0)):
            if getattr(self, name) < least:
                raise ExportError(f"{name} must be at least {least}, got {getattr(self, name)}")

    @property
    def scheme(self) -> Scheme:
        """Number formats for the target."""
        return SCHEMES[this_machine() if self.target == "auto" else self.target]


def this_machine() -> Literal["x86", "x86-vnni", "arm"]:
    """The target that suits this CPU; on x86 a one-node probe tells whether sums saturate."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        return "arm"
    return "x86-vnni" if u8s8_is_exact() else "x86"


def next_steps(options: QuantizeOptions) -> list[str]:
    """What may mend a refusal and was not asked for, the cheapest first, with what it costs."""
    known = (
        (options.equalize or options.equalize_groups, "--equalize-groups (seconds)"),
        (options.gptq, "--gptq (seconds to a minute)"),
        (options.bias_correction, "--bias-correction (seconds to minutes)"),
        (
            options.search or options.search_layers,
            "--search-layers (minutes; leaves layers float, which costs speed)",
        ),
        (options.finetune_steps > 0, "--finetune-steps 300 (minutes to an hour)"),
    )
    left = [step for asked, step in known if not asked]
    if not left:
        return []
    return [f"try {', then '.join(left)}, or --auto for all of them; or more photographs"]


@dataclass(frozen=True, slots=True)
class StepFigures:
    """How good the file was after one step."""

    name: str
    shift_px: float | None
    p95_px: float | None
    ap: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class QuantizationReport:
    """What a quantization did.

    Attributes:
        source: The float file.
        path: The INT8 file.
        size_bytes: Of the INT8 file.
        scheme: Number formats.
        calibration_inputs: How many.
        float_layers: Nodes left in float.
        steps: Figures after each step, on the held-out photographs.
        gate: Figures of the file itself.
        verdict: `"passed"`; `"too few"` where the bounds held on too few people for a verdict;
            `"forced"` where they did not and the file was written all the same.
        failures: Bounds that it failed.
        latency: Both files' times on this machine; of the moment, and not in the file.
        sensitivity: Ranking of the nodes, if one was asked for.
        searched: Nodes that the search left in float, beyond those named by patterns.
        shortage: How many people and keypoints a verdict would have needed more; empty for none.
        attempts: What `auto` tried before and how far each attempt came.
        integer_part: Part of the layers' multiply-accumulates in INT8; None where not counted.
    """

    source: str
    path: str
    size_bytes: int
    scheme: str
    calibration_inputs: int
    float_layers: tuple[str, ...]
    steps: tuple[StepFigures, ...]
    gate: GateFigures
    verdict: Verdict
    failures: tuple[str, ...]
    latency: LatencyComparison
    sensitivity: tuple[Sensitivity, ...] = ()
    searched: tuple[str, ...] = ()
    integer_part: float | None = None
    shortage: str = ""
    attempts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        plain: dict[str, Any] = asdict(self)
        return {**plain, "gate": self.gate.to_dict()}
