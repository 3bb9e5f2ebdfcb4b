"""The emulated ARM machine with a counting emulator: prepared once, then run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arm import counted
from benchmarks.arm.networks import Network
from benchmarks.paths import ROOT

PREPARE = ROOT / "tests" / "helpers" / "arm_machine.py"
PLUGIN = Path(__file__).with_name("count_instructions.c")
FRAMES = 2
FIGURES = ("all", "dot", "matrix", "multiply_add", "widening")


class CannotCountError(RuntimeError):
    """The machine, the plug-in or a run of them failed."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Instructions of one frame.

    Attributes:
        network: Inside the inference engine.
        crop: From the image to the network's input.
        decode: All else: outputs to keypoints or boxes, maps, suppression, the interpreter.
        dot: Of the network's: 8-bit dot products.
        matrix: 8-bit matrix products.
        multiply_add: Float multiply-adds of vectors.
        widening: Widening integer products of vectors.
        spread: Largest difference of the network's count between frames, part of the count.
    """

    network: int
    crop: int
    decode: int
    dot: int
    matrix: int
    multiply_add: int
    widening: int
    spread: float


class Machine:
    """The prepared machine.

    Args:
        folder: Where it lies, or is prepared.

    Raises:
        CannotCountError: It cannot be had here.
    """

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, str(PREPARE), str(folder), "--counting"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise CannotCountError(done.stderr.strip() or f"exit code {done.returncode}")
        self._parts = json.loads((folder / "machine.json").read_text("utf-8"))
        self._folder = folder.resolve() / "counting"
        self._plugin = _plugin(self._folder)

    @property
    def versions(self) -> dict[str, str]:
        """What the counts depend on besides the networks."""
        said = subprocess.run(
            [self._emulator, "--version"], env=self._environment(), capture_output=True, text=True
        ).stdout.splitlines()[0]
        packages: dict[str, str] = self._parts["packages"]
        return {
            "emulator": said.split(" (")[0].removeprefix("qemu-aarch64 version "),
            "plug-in": hashlib.sha256(PLUGIN.read_bytes()).hexdigest()[:12],
            **{name: packages[name] for name in ("numpy", "onnxruntime", "opencv-python-headless")},
        }

    def count(self, processor: str, networks: list[Network]) -> list[Counts]:
        """Instructions of a frame of each network on one of the emulator's processors.

        Raises:
            CannotCountError: The run failed.
        """
        with tempfile.TemporaryDirectory() as folder:
            job, marks = Path(folder, "job.json"), Path(folder, "marks")
            listed = [network.to_dict() for network in networks]
            job.write_text(json.dumps({"networks": listed, "frames": FRAMES}), "utf-8")
            command = [self._emulator, "-plugin", f"{self._plugin},out={marks}", "-cpu", processor]
            command += ["-L", self._parts["root"], self._parts["python"], "-S"]
            command += [str(counted.__file__), str(job)]
            done = subprocess.run(command, env=self._environment(), capture_output=True, text=True)
            if done.returncode:
                last = (done.stderr.strip() or "no message").splitlines()[-1]
                raise CannotCountError(f"exit code {done.returncode} on {processor}: {last}")
            return read_marks(marks.read_text("ascii"))

    @property
    def _emulator(self) -> str:
        return str(self._folder / "qemu-aarch64")

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(ROOT), self._parts["wheels"]])
        return {
            **os.environ,
            "LD_LIBRARY_PATH": str(self._folder),
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
            # The order of sets, and so what the interpreter does, would change from run to run.
            "PYTHONHASHSEED": "0",
        }


def read_marks(text: str) -> list[Counts]:
    """Counts of each network, from the plug-in's lines.

    Args:
        text: A line a mark: what it is and the totals until then, in the order of `FIGURES`.

    Returns:
        The median frame's counts, by the network's number, in the order of the job.
    """
    found: list[Counts] = []
    frames: list[list[list[int]]] = []
    for line in [*text.splitlines(), f"{counted.ITEM}"]:
        what, *totals = map(int, line.split())
        if what == counted.ITEM:
            if frames:
                found.append(_median(frames))
            frames = []
        elif what == counted.FRAME:
            frames.append([[what, *totals]])
        elif frames and frames[-1][-1][0] != counted.END:  # else of the next network's first frame
            frames[-1].append([what, *totals])
    return found


def _median(frames: list[list[list[int]]]) -> Counts:
    counts = sorted((_counts(marks) for marks in frames), key=lambda each: each["network"])
    middle = counts[len(counts) // 2]
    spread = (counts[-1]["network"] - counts[0]["network"]) / middle["network"]
    return Counts(**middle, spread=spread)


def _counts(marks: list[list[int]]) -> dict[str, int]:
    """One frame's counts from its marks."""
    inside = dict.fromkeys(FIGURES, 0)
    crop, before = 0, marks[0]
    for after in marks[1:]:
        step = [b - a for a, b in zip(before[1:], after[1:], strict=True)]
        if after[0] == counted.RAN:
            inside = {name: inside[name] + n for name, n in zip(FIGURES, step, strict=True)}
        elif after[0] == counted.RUN:
            crop += step[0]
        before = after
    network = inside.pop("all")
    decode = marks[-1][1] - marks[0][1] - network - crop
    return {"network": network, "crop": crop, "decode": decode, **inside}


def _plugin(folder: Path) -> Path:
    """The plug-in, built once for its source."""
    built = folder / f"count-{hashlib.sha256(PLUGIN.read_bytes()).hexdigest()[:12]}.so"
    if not built.exists():
        compiler = shutil.which("cc")
        if compiler is None:
            raise CannotCountError("needs a C compiler, cc, for the emulator's plug-in")
        half = built.with_suffix(".part")
        command = [compiler, "-O2", "-Wall", "-Wextra", "-fPIC", "-shared"]
        done = subprocess.run(
            [*command, "-o", str(half), str(PLUGIN)], capture_output=True, text=True
        )
        if done.returncode:
            raise CannotCountError(f"the plug-in does not compile: {done.stderr.strip()}")
        half.replace(built)
    return built
