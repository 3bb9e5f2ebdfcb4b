"""The thread that reads the source and tracks its people; it outlives the source."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from litepose_edge.errors import LitePoseError, SourceError
from litepose_edge.results import Poses
from litepose_edge.serve.stream.controls import Controls
from litepose_edge.serve.stream.figures import StreamFigures
from litepose_edge.serve.stream.models import Loaded, Models
from litepose_edge.serve.stream.playback import PlayedFrame, PlayedFrames, played
from litepose_edge.serve.stream.results import Treated
from litepose_edge.serve.stream.state import Condition, StreamState, safe_reason
from litepose_edge.sources import FrameSource, Reader
from litepose_edge.sources.frames import ASSUMED_FPS
from litepose_edge.streaming import quick_switching
from litepose_edge.tracking.tracker import Tracker

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 10.0
JOIN_S = 5.0
HANGING_S = 30.0
LEAST_STEP_S = 1e-3

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """How the source is read.

    Attributes:
        source: As it was named.
        open_source: Opens it, again and again.
        once: Whether a source that ends is not begun again.
        smooth: Whether keypoints are smoothed.
        timeout_s: A source that gives nothing for longer fails by itself.
    """

    source: str
    open_source: Callable[[], FrameSource]
    once: bool = False
    smooth: bool = True
    timeout_s: float = 30.0


class CaptureLoop:
    """Reads, tracks and publishes in a thread of its own until it is stopped.

    Args:
        options: How.
        models: The estimator to use, at any time.
        controls: Gives the controls that are wanted now.
        state: Learns what goes on.
        figures: Count.
        publish: Takes each treated frame; must not wait.
    """

    def __init__(
        self,
        options: CaptureOptions,
        models: Models,
        controls: Callable[[], Controls],
        state: StreamState,
        figures: StreamFigures,
        publish: Callable[[Treated], None],
    ) -> None:
        self._options, self._models, self._controls = options, models, controls
        self._state, self._figures, self._publish = state, figures, publish
        self._stop = threading.Event()
        self._reader: Reader | None = None
        self._source: FrameSource | None = None
        self._dropped_before = 0
        self._dropped_at_pause: int | None = None
        self._began_s = time.monotonic()
        self._frames = 0
        self._last_s = -1.0
        self._offset_s: float | None = None
        self._people = _People(models, options.smooth)
        self._thread = threading.Thread(target=self._run, name="litepose-capture", daemon=True)
        self._alive_s = time.monotonic()

    @property
    def hangs(self) -> bool:
        """Whether the thread has done nothing for longer than any wait of its own takes."""
        # A film may show one picture for minutes.
        idle_s = time.monotonic() - max(self._alive_s, self._due_s)
        return self._thread.is_alive() and idle_s > self._options.timeout_s + HANGING_S

    @property
    def _due_s(self) -> float:
        source = self._source
        frames = None if source is None else source.frames
        return frames.due_s if isinstance(frames, PlayedFrames) else 0.0

    @property
    def fps(self) -> float:
        """Frames a second that the source says to give; 30 where there is none."""
        source = self._source
        return ASSUMED_FPS if source is None else source.fps

    @property
    def dropped(self) -> int:
        """Frames that came too fast to be treated, or could not be decoded."""
        at_pause = self._dropped_at_pause
        return self._counted() if at_pause is None else at_pause

    def _counted(self) -> int:
        source = self._source
        counts = 0 if source is None else source.counts.dropped + source.counts.unreadable
        return self._dropped_before + counts

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a driver that does not let go is left behind."""
        self._stop.set()
        reader = self._reader
        if reader is not None:
            reader.close()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        delay_s = FIRST_DELAY_S
        with quick_switching:
            while not self._stop.is_set():
                frames = self._frames
                self._alive_s = time.monotonic()
                try:
                    self._play()
                except SourceError as exc:
                    if self._options.once and self._frames > frames:
                        # A stream ends in no other way, nor does a film that is cut.
                        self._end(safe_reason(exc, self._options.source))
                        break
                    self._fail(Condition.WAITING, exc)
                except LitePoseError as exc:
                    self._fail(Condition.FAILED, exc)
                except Exception as exc:
                    # An engine's or a driver's: the service outlives it, and says so.
                    log.exception("the stream failed")
                    self._fail(Condition.FAILED, exc)
                else:
                    if self._options.once and not self._stop.is_set():
                        self._end("the source has ended")
                        break
                    if self._frames > frames + 1:
                        continue
                    # One picture, such as a camera's snapshot: to be asked for now and then.
                delay_s = (
                    FIRST_DELAY_S if self._frames > frames else min(2 * delay_s, LONGEST_DELAY_S)
                )
                self._stop.wait(delay_s)
        self._people.close()

    def _end(self, reason: str) -> None:
        self._figures.stopped()
        self._state.set(Condition.ENDED, reason)

    def _fail(self, condition: Condition, exc: Exception) -> None:
        self._figures.stopped()
        self._state.set(condition, safe_reason(exc, self._options.source))

    def _play(self) -> None:
        """The source from its beginning to its end."""
        source = played(self._options.open_source())
        self._people.begin_anew()
        self._offset_s = None
        self._source, self._reader = source, Reader(source)
        frames = 0
        try:
            assert isinstance(source.frames, PlayedFrames)
            for frame in self._reader:
                assert isinstance(frame, PlayedFrame)
                if self._stop.is_set():
                    return
                frames += 1
                self._treat(frame, source.frames)
        finally:
            self._reader.close()
            self._dropped_before, self._source = self.dropped, None
        if not frames and not self._stop.is_set():
            raise SourceError(f"{source.name} gave no frame")

    def _treat(self, frame: PlayedFrame, flow: PlayedFrames) -> None:
        controls = self._controls()
        self._alive_s = time.monotonic()
        if controls.paused:
            self._pause(flow)
            return
        self._state.set(Condition.RUNNING)
        if self._offset_s is None:
            # The source's own times, which begin anew with each opening, on the service's clock.
            self._offset_s = frame.came_s - self._began_s - frame.timestamp_s
        timestamp_s = max(frame.timestamp_s + self._offset_s, self._last_s + LEAST_STEP_S)
        began_s = time.monotonic()
        poses = self._people.of(frame, timestamp_s, controls)
        took_s = time.monotonic() - began_s
        self._figures.frame_done(frame.came_s, len(poses))
        index, self._frames, self._last_s = self._frames, self._frames + 1, timestamp_s
        self._publish(
            Treated(frame.image, poses, index, timestamp_s, frame.came_s, controls.mirror, took_s)
        )

    def _pause(self, flow: PlayedFrames) -> None:
        """Films stand still; of a camera the frames pass by, and none counts as dropped."""
        self._state.set(Condition.PAUSED)
        self._dropped_at_pause = dropped = self._counted()
        flow.hold()
        while self._controls().paused and not self._stop.wait(0.05):
            self._alive_s = time.monotonic()
        self._dropped_before -= self._counted() - dropped
        self._dropped_at_pause = None
        flow.go_on()


class _People:
    """The tracker of the current model; ids grow over all trackers."""

    def __init__(self, models: Models, smooth: bool) -> None:
        self._models, self._smooth = models, smooth
        self._held = contextlib.ExitStack()
        self._model: Loaded | None = None
        self._tracker: Tracker | None = None
        self._detect_every = 0
        self._min_score = -1.0
        self._ids_before = self._newest_id = 0

    def of(self, frame: PlayedFrame, timestamp_s: float, controls: Controls) -> Poses:
        tracker = self._current(controls)
        poses = tracker.update(frame.image, timestamp_s=timestamp_s)
        if poses.track_ids is None or not len(poses):
            return poses
        ids = poses.track_ids + np.int64(self._ids_before)
        self._newest_id = max(self._newest_id, int(ids.max()))
        return replace(poses, track_ids=ids)

    def begin_anew(self) -> None:
        """What comes is another scene."""
        self._tracker = None

    def close(self) -> None:
        self._tracker = None
        self._held.close()

    def _current(self, controls: Controls) -> Tracker:
        if self._model is not self._models.current:
            self._held.close()
            self._model = self._held.enter_context(self._models.borrowed())
            self._tracker = None
        if self._tracker is None or self._detect_every != controls.detect_every:
            assert self._model is not None
            self._detect_every = controls.detect_every
            self._ids_before, self._min_score = self._newest_id, -1.0
            self._tracker = self._model.estimator.tracker(
                detect_every=controls.detect_every, smooth=self._smooth
            )
        if self._min_score != controls.min_score:
            self._min_score = controls.min_score
            self._tracker.set_min_score(controls.min_score)
        return self._tracker
