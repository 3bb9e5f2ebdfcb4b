"""Process start to keypoints, against importing the packages that any pose code needs.

    python -m benchmarks.budget.startup [--repeats 11] [--json FILE]

Fresh processes in turn; wall time by the parent's clock, memory by Linux's peak of the process
itself (`VmHWM`). `getrusage`'s peak outlives the start of a program and would count what the parent
holds; it is what is left on macOS. Pages of the libraries' files count as well, and a kernel that
maps files in large pieces gives a process up to 50 MB more of them while they lie in its cache as
an installer wrote them: they are dropped from the cache first, as after a boot, where no other
process holds them. Our modules are compiled first, as an installation does: a
checkout's may be newer than their bytecode.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.budget.bars import Bar, finish, without

BASE = "import numpy, cv2, onnxruntime"
START = "import numpy as np; from litepose_edge import Estimator; f = np.zeros((480, 640, 3), 'u1')"
PROGRAMS = {
    "imports alone": BASE,
    "boxes given": f"{START}; Estimator().predict(f, boxes_xyxy=[[100, 20, 300, 460]])",
    "with the detector": (
        f"{START}; e = Estimator(); e.predict(f); e.predict(f, boxes_xyxy=[[100, 20, 300, 460]])"
    ),
}
# Wall time as a multiple of the imports alone, and MB of memory.
LIMITS = {"boxes given": (1.5, 100.0), "with the detector": (1.9, 125.0)}
# In MB; macOS counts bytes, other systems kilobytes.
PEAK = """
import sys
try:
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
except (OSError, StopIteration):
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak /= 2**20 if sys.platform == "darwin" else 1024
sys.stdout.write(str(peak))
"""
# The libraries' files that a program has in memory, a line each.
LIBRARIES = """
import sys
with open("/proc/self/maps") as maps:
    names = {line.split(maxsplit=5)[5].strip() for line in maps if line.count("/")}
sys.stdout.write("\\n".join(sorted(name for name in names if ".so" in name)))
"""


def main() -> None:
    """Run all programs in turn and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--json", type=Path, help="write the report here as well")
    options = parser.parse_args()
    if importlib.util.find_spec("resource") is None:
        reason = "this system does not tell a process's peak memory"
        finish({}, without(bars(dict.fromkeys(PROGRAMS, 1.0), {}), reason), options.json)
        return
    package = importlib.util.find_spec("litepose_edge")
    assert package is not None
    assert package.origin is not None
    compileall.compile_dir(Path(package.origin).parent, quiet=1)
    uncache_libraries()
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    memory: dict[str, float] = {}
    for repeat in range(options.repeats + 1):
        for name, program in PROGRAMS.items():
            started = time.perf_counter()
            peak_mb = run_to_peak(program)
            if repeat:
                times[name].append(time.perf_counter() - started)
            memory[name] = peak_mb
    medians = {name: statistics.median(samples) for name, samples in times.items()}
    base = medians["imports alone"]
    for name, median in medians.items():
        print(
            f"{name:20} {1000 * median:6.0f} ms  {median / base:5.2f} x imports"
            f"  {memory[name]:5.0f} MB peak"
        )
    report = {"wall_s": medians, "peak_mb": memory}
    finish(report, bars(medians, memory), options.json)


def uncache_libraries() -> None:
    """Have the system read the libraries' files anew, where it is Linux."""
    if not (hasattr(os, "posix_fadvise") and Path("/proc/self/maps").exists()):
        return
    for name in _run(f"import litepose_edge; {PROGRAMS['imports alone']}" + LIBRARIES).splitlines():
        with contextlib.suppress(OSError), Path(name).open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def run_to_peak(program: str) -> float:
    """Run a program in a process of its own; return the peak of its memory in MB."""
    return float(_run(program + PEAK))


def _run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        # Ours imports the engine with its telemetry switched off: so does the baseline.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "ORT_DISABLE_TELEMETRY": "1"},
    )
    return done.stdout


def bars(wall_s: dict[str, float], peak_mb: dict[str, float]) -> list[Bar]:
    """The budget's rows: time against the imports, and memory."""
    found = []
    for name, (limit, most_mb) in LIMITS.items():
        part = wall_s[name] / wall_s["imports alone"]
        found.append(Bar(name=f"start to keypoints / imports, {name}", figure=part, limit=limit))
        memory = peak_mb.get(name, 0.0)
        found.append(Bar(name=f"peak memory, {name}", figure=memory, limit=most_mb, unit=" MB"))
    return found


if __name__ == "__main__":
    main()
