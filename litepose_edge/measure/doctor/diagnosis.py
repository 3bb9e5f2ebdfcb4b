"""Everything `litepose-edge doctor` finds out about a machine, as one document of schema 1."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from litepose_edge.backends import Backend
from litepose_edge.measure.doctor.engines import ENGINES, EngineReport, examine_apart
from litepose_edge.measure.energy.find import find_meters
from litepose_edge.measure.energy.meter import MeterInfo, MissingMeter
from litepose_edge.measure.machine import opencv
from litepose_edge.measure.machine.arm_instructions import int8_of_fp32
from litepose_edge.measure.machine.description import describe_machine
from litepose_edge.measure.machine.limits import Limits, describe_limits
from litepose_edge.measure.machine.processor import Processor, describe_processor
from litepose_edge.measure.machine.state import MachineState, observe_state, warnings
from litepose_edge.measure.machine.sysfs import Sysfs

SCHEMA: Literal[1] = 1
Scheme = Literal["s8s8", "u8s8-reduced", "fp32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Advice:
    """Which kind of file suits the machine.

    Attributes:
        scheme: The one to use; `"fp32"` where INT8 is slower.
        full_range_exact: Whether full-range U8S8 files are exact here too; None where that could
            not be tried.
        int8_of_fp32: INT8's time divided by FP32's, for one crop on one thread of ONNX Runtime;
            None where that could not be tried.
        why: In a sentence.
    """

    scheme: Scheme
    full_range_exact: bool | None
    int8_of_fp32: float | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found.

    Attributes:
        schema: Version of this structure.
        python: Version.
        system: Operating system and kernel.
        board: The board's name, where it has one.
        packages: Versions; None for what is not installed.
        processor: Name and instructions.
        limits: Processors, affinity, quota.
        usable_threads: Threads that can work at once.
        governor: Frequency governors in use; empty where there is none to see.
        state: Load, frequencies, temperatures, signs of throttling.
        engines: Each inference engine.
        int8: Which kind of file suits the machine.
        meters: What could measure energy.
        missing_meters: What could not, and why.
        advice: What to change or to keep in mind, in full sentences.
    """

    schema: Literal[1]
    python: str
    system: str
    board: str | None
    packages: dict[str, str | None]
    processor: Processor
    limits: Limits
    usable_threads: int
    governor: tuple[str, ...]
    state: MachineState
    engines: tuple[EngineReport, ...]
    int8: Int8Advice
    meters: tuple[MeterInfo, ...]
    missing_meters: tuple[MissingMeter, ...]
    advice: tuple[str, ...]

    @property
    def works(self) -> bool:
        """Whether the default engine does."""
        return any(e.name == "onnxruntime" and e.state == "works" for e in self.engines)


def diagnose(
    files: Sysfs | None = None,
    *,
    architecture: str | None = None,
    examine: Callable[[Backend], EngineReport] = examine_apart,
) -> Diagnosis:
    """Examine this machine, or the one whose files are given.

    Args:
        files: Where `/proc` and `/sys` lie.
        architecture: Such as `"aarch64"`; this machine's unless given.
        examine: Finds out about an engine.
    """
    sysfs = files or Sysfs()
    machine, state = describe_machine(sysfs), observe_state(sysfs)
    processor = describe_processor(sysfs, architecture)
    limits = describe_limits(sysfs)
    engines = tuple(examine(name) for name in ENGINES)
    found = find_meters(sysfs=sysfs)
    return Diagnosis(
        schema=SCHEMA,
        python=platform.python_version(),
        system=machine.system,
        board=machine.board,
        packages=machine.packages,
        processor=processor,
        limits=limits,
        usable_threads=limits.usable,
        governor=machine.governor,
        state=state,
        engines=engines,
        int8=advise(processor, engines),
        meters=tuple(meter.about for meter in found.meters),
        missing_meters=found.missing,
        advice=(
            *_about_engines(engines),
            *opencv.advice(opencv.opencv_packages()),
            *_about_limits(limits),
            *_about_throttling(state),
            *warnings(machine, state, state),
        ),
    )


def advise(processor: Processor, engines: tuple[EngineReport, ...]) -> Int8Advice:
    """The kind of file for a processor, from what ONNX Runtime did on it."""
    findings = next((e.findings for e in engines if e.name == "onnxruntime"), None)
    exact = findings.full_range_exact if findings else None
    ratio = findings.int8_of_fp32 if findings else None
    scheme: Scheme = "s8s8" if processor.is_arm else "u8s8-reduced"
    if ratio is not None and ratio >= 1:
        why = f'INT8 takes {ratio:.2f} times as long as FP32 here: use precision="fp32".'
        return Int8Advice(scheme="fp32", full_range_exact=exact, int8_of_fp32=ratio, why=why)
    gain = "" if ratio is None else f", which takes {ratio:.2f} of FP32's time here"
    if processor.is_arm:
        why = f"ARM runs INT8 files with signed activations, S8S8{gain}. {_on_arm(processor)}"
    elif exact is None:
        why = "Full-range sums could not be tried: U8S8 with 7-bit weights is exact on every x86."
    elif exact:
        why = f"U8S8 with 7-bit weights{gain}; full-range U8S8 is exact here too."
    else:
        why = f"U8S8 with 7-bit weights{gain}; full-range U8S8 saturates and is refused."
    return Int8Advice(scheme=scheme, full_range_exact=exact, int8_of_fp32=ratio, why=why)


def _on_arm(processor: Processor) -> str:
    """What was counted of the default network on such a processor, and what helps more."""
    fast = bool(processor.features and processor.features.get("dotprod"))
    part = int8_of_fp32("lrpose-s", dot_products=fast)
    if processor.features is None or fast:
        return f"With dot products INT8 takes {part:.2f} of FP32's instructions (counted)."
    return (
        f"Without dot products INT8 takes {part:.2f} of FP32's instructions (counted): lrpose-n, "
        "detector_size=224 and detect_every=10 save more."
    )


def to_json(diagnosis: Diagnosis) -> str:
    """The document."""
    return msgspec.json.format(msgspec.json.encode(diagnosis), indent=2).decode()


def json_schema() -> dict[str, Any]:
    """JSON Schema of the document."""
    return msgspec.json.schema(Diagnosis)


def _about_engines(engines: tuple[EngineReport, ...]) -> list[str]:
    sentences = [
        f"{e.name} does not work here: {e.trouble}." for e in engines if e.state == "fails"
    ]
    for engine in engines:
        models = engine.findings.models if engine.findings else ()
        sentences += [
            f"{engine.name} does not load {m.name} in {m.precision}: {m.error}"
            for m in models
            if m.error is not None
        ]
    return sentences


def _about_limits(limits: Limits) -> list[str]:
    allowed = len(limits.affinity) if limits.affinity is not None else limits.cpus
    if limits.quota is None or limits.quota >= allowed:
        return []
    return [
        f"The control group allows the time of {limits.quota:g} processors where {allowed} are "
        f"visible: pass threads={limits.usable}, or this process is paused in the middle of frames."
    ]


def _about_throttling(state: MachineState) -> list[str]:
    signs = [name for name, value in state.throttle.items() if value > 0]
    return [f"The processor is or was slowed down: {', '.join(signs)}."] if signs else []
