"""Options of the estimator, of its trackers and streams: numbers of every size, and no numbers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from litepose_edge import Estimator
from litepose_edge.errors import LitePoseError
from tests.fuzz.expressions import NUMBERS, OBJECTS, pick, value_of
from tests.fuzz.inputs import frames
from tests.fuzz.kinds import Answer, InputClass, answer_of, digest

OPTIONS = ("precision", "threads", "min_score", "max_people", "max_pixels", "flip_test", "backend")
TRACKER = ("detect_every", "smooth", "max_missing_s")
SOUND = {
    "precision": "None", "threads": "1", "min_score": "0.25", "max_people": "5",
    "max_pixels": "50000", "flip_test": "True", "backend": "'onnxruntime'",
    "detect_every": "2", "smooth": "False", "max_missing_s": "0.5",
}  # fmt: skip
MOST_THREADS = 64
FRAME = np.arange(96 * 80 * 3, dtype=np.uint32).reshape(80, 96, 3).astype(np.uint8)


def seeds() -> list[bytes]:
    """Every option once, and all together."""
    texts = [f"{{{name!r}: {value}}}" for name, value in SOUND.items()]
    everything = ", ".join(f"{name!r}: {value}" for name, value in SOUND.items())
    return [text.encode() for text in [*texts, f"{{{everything}}}", "{}"]]


def mutate(rng: np.random.Generator, sound: list[bytes]) -> bytes:
    """One or two options with another value."""
    chosen = rng.choice([*OPTIONS, *TRACKER], int(rng.integers(1, 3)), replace=False)
    pairs = []
    for name in chosen:
        value = pick(rng, NUMBERS) if rng.integers(4) else pick(rng, OBJECTS)
        pairs.append(f"{str(name)!r}: {value}")
    return f"{{{', '.join(pairs)}}}".encode()


def run(path: Path) -> Answer:
    """Make the estimator, predict, and follow a person over three frames."""
    options: dict[str, Any] = value_of(path.read_bytes())
    complaint = _must_be_refused(options)
    frames.estimator_in(path.parent)  # writes the network
    made = {k: v for k, v in options.items() if k in OPTIONS}
    followed = {k: v for k, v in options.items() if k in TRACKER}
    made = {"threads": 1, "min_score": 0.0, **made}
    with Estimator(path.parent / "net.onnx", detector=frames.whole_frame, **made) as estimator:
        answers = [answer_of(estimator.predict(FRAME))]
        tracker = estimator.tracker(**followed)
        answers += [answer_of(tracker.update(FRAME, timestamp_s=i / 30)) for i in range(3)]
    if threading.active_count() > MOST_THREADS:
        complaint = complaint or f"{threading.active_count()} threads"
    complaint = complaint or next((a.complaint for a in answers if a.complaint), None)
    return Answer(digest(*(a.digest for a in answers)), complaint)


def _must_be_refused(options: dict[str, Any]) -> str | None:
    """What no reading of the documentation allows."""
    ranges = {
        "min_score": (0, 1), "threads": (1, 256), "max_people": (1, np.inf),
        "max_pixels": (1, np.inf), "detect_every": (1, np.inf), "max_missing_s": (0, np.inf),
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        value = options.get(name, SOUND[name] and low)
        if value is None and name == "threads":
            continue
        try:
            inside = low <= value <= high
        except Exception:  # noqa: BLE001 - it compares with no number
            inside = False
        if not inside:
            return f"{name}={value!r} is taken"
    return None


CLASS = InputClass(".py", seeds, mutate, run, expected=(LitePoseError, ValueError, TypeError))
