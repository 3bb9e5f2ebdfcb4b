"""Process start to keypoints, against importing the packages that any pose code needs.

    python benchmarks/startup.py [--repeats 11]

Fresh processes in turn; wall time by the parent's clock, memory by the operating system's peak.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

BASE = "import numpy, cv2, onnxruntime"
START = "import numpy as np; from litepose_edge import Estimator; f = np.zeros((480, 640, 3), 'u1')"
PROGRAMS = {
    "imports alone": BASE,
    "boxes given": f"{START}; Estimator().predict(f, boxes_xyxy=[[100, 20, 300, 460]])",
    "with the detector": (
        f"{START}; e = Estimator(); e.predict(f); e.predict(f, boxes_xyxy=[[100, 20, 300, 460]])"
    ),
}
PEAK = (
    "; import resource, sys; "
    "sys.stdout.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))"
)


def main() -> None:
    """Run all programs in turn and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=11)
    repeats = parser.parse_args().repeats
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    memory: dict[str, float] = {}
    for repeat in range(repeats + 1):
        for name, program in PROGRAMS.items():
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", program + PEAK],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            )
            if repeat:
                times[name].append(time.perf_counter() - started)
            memory[name] = int(done.stdout) / 1024
    base = statistics.median(times["imports alone"])
    for name, samples in times.items():
        median = statistics.median(samples)
        print(
            f"{name:20} {1000 * median:6.0f} ms  {median / base:5.2f} x imports"
            f"  {memory[name]:5.0f} MB peak"
        )


if __name__ == "__main__":
    main()
