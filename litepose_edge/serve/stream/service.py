"""The stream as the web sees it: what it shows, what it says of itself, what may be changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

import litepose_edge
from litepose_edge.errors import OutputError
from litepose_edge.serve.stream.capture import CaptureLoop, CaptureOptions
from litepose_edge.serve.stream.controls import Controls
from litepose_edge.serve.stream.figures import Snapshot, StreamFigures
from litepose_edge.serve.stream.hub import Hub
from litepose_edge.serve.stream.machine import MachineReader, Readings
from litepose_edge.serve.stream.models import Models
from litepose_edge.serve.stream.recorder import Recorder
from litepose_edge.serve.stream.results import Treated, skeleton_document
from litepose_edge.serve.stream.state import Condition, StreamState, safe_name

JPEG_QUALITY = 75
# Encoding all of 30 a second costs a tenth of the time that LRPose-s takes.
PICTURES_PER_S = 12.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """What is served.

    Attributes:
        capture: How the source is read.
        controls: As they are at first.
        models: Names that viewers may choose from.
        quality: Of the pictures, 1 to 100.
        pictures_per_s: So many at most.
    """

    capture: CaptureOptions
    controls: Controls
    models: tuple[str, ...]
    quality: int = JPEG_QUALITY
    pictures_per_s: float = PICTURES_PER_S


class Service:
    """One source, its people, and what may be changed about them.

    Args:
        options: What is served.
        models: The estimators.
        recorder: None where recording is not allowed.
        told: Called with each new condition of the stream and its reason.
    """

    def __init__(
        self,
        options: ServiceOptions,
        models: Models,
        recorder: Recorder | None = None,
        told: Callable[[Condition, str | None], None] | None = None,
    ) -> None:
        self.options, self.models, self.recorder = options, models, recorder
        self.figures = StreamFigures()
        self.state = StreamState(told)
        self.hub = Hub(self.figures, options.quality, options.pictures_per_s)
        self.readings = Readings()
        self._machine = MachineReader()
        self._controls = options.controls
        self._lock = threading.Lock()
        self._switching: threading.Thread | None = None
        self._problem: str | None = None
        self.capture = CaptureLoop(
            options.capture,
            models,
            lambda: self._controls,
            self.state,
            self.figures,
            self._publish,
        )

    @property
    def controls(self) -> Controls:
        """What is wanted now."""
        return self._controls

    @property
    def hangs(self) -> bool:
        """Whether a driver or an engine does not come back."""
        return self.capture.hangs

    @property
    def ready(self) -> bool:
        """Whether frames come, or would if the stream were not paused."""
        condition, _ = self.state.now
        return condition in (Condition.RUNNING, Condition.PAUSED) and not self.hangs

    def change(self, wishes: object) -> None:
        """Change controls as a client asks; a new model takes over when it is loaded.

        Raises:
            ControlError: There is no such control, or it cannot have that value.
        """
        with self._lock:
            changed = self._controls.changed(wishes, self.options.models)
            if changed.model != self._controls.model:
                self._problem = None
            self._controls = changed
            if changed.model != self.models.current.name and self._switching is None:
                self._switching = threading.Thread(
                    target=self._switch, name="litepose-model", daemon=True
                )
                self._switching.start()

    def record(self, wanted: bool) -> None:
        """Begin or end a recording.

        Raises:
            OutputError: It is not allowed here, or cannot be written.
        """
        if self.recorder is None:
            raise OutputError("recording is off: start the service with --allow-record")
        if wanted:
            # While paused, and before frames flow, nothing has been counted yet.
            self.recorder.start(self.figures.snapshot().fps or self.capture.fps)
        else:
            self.recorder.stop()

    def read_machine(self) -> None:
        """Read processor, memory and temperature anew; some milliseconds on some boards."""
        self.readings = self._machine.read()

    def hello(self) -> dict[str, Any]:
        """What a viewer needs to know first."""
        model = self.models.current
        return {
            "type": "hello",
            "skeleton": skeleton_document(model.skeleton),
            "min_keypoint_score": model.min_keypoint_score,
            "allow_record": self.recorder is not None,
            "models": list(self.options.models),
            "version": litepose_edge.__version__,
        }

    def status(self) -> dict[str, Any]:
        """How the stream does."""
        condition, reason = self.state.now
        figures: Snapshot = self.figures.snapshot()
        recorder = self.recorder
        if reason is None and recorder is not None:
            reason = recorder.problem
        reason = reason or self._problem
        return {
            "type": "status",
            "source": safe_name(self.options.capture.source),
            "state": condition.value,
            "reason": reason,
            "fps": round(figures.fps, 1),
            "latency_ms": {"p50": _rounded(figures.p50_ms), "p95": _rounded(figures.p95_ms)},
            "frames": figures.frames,
            "dropped": self.capture.dropped,
            "people": figures.people,
            "viewers": self.hub.viewers,
            "cpu_percent": _rounded(self.readings.cpu_percent),
            "temperature_c": _rounded(self.readings.temperature_c),
            "memory_mb": _rounded(self.readings.memory_mb),
            "controls": {
                **self._controls.document(),
                "recording": recorder is not None and recorder.recording,
            },
        }

    def status_text(self) -> str:
        """`status` as JSON."""
        return msgspec.json.encode(self.status()).decode()

    def start(self) -> None:
        """Begin to read the source."""
        self.capture.start()

    def stop(self) -> None:
        """End all threads; a recording is finished first."""
        self.hub.close()
        self.capture.stop()
        if self.recorder is not None:
            self.recorder.stop(timeout_s=None)
        self.models.close()

    def _publish(self, treated: Treated) -> None:
        self.hub.publish(treated)
        if self.recorder is not None:
            self.recorder.take(treated)

    def _switch(self) -> None:
        """Load what is wanted, until it is what is used: it may change meanwhile."""
        while True:
            with self._lock:
                name, before = self._controls.model, self.models.current.name
                if name == before:
                    self._switching = None
                    return
            try:
                self.models.switch(name)
            except Exception as exc:  # noqa: BLE001 - whatever it is, the one before goes on
                log.warning("%s cannot be used: %s", name, exc)
                with self._lock:
                    if self._controls.model == name:
                        self._controls = replace(self._controls, model=before)
                        self._problem = f"{name} cannot be loaded, {before} goes on: see the log"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
