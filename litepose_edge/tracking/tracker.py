"""One camera's people over time: when to detect, where to run the pose network, whose track."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.boxes import box_area, box_iou, suppress
from litepose_edge.geometry import Float32, Size
from litepose_edge.oks import pairwise_oks
from litepose_edge.options import real_number
from litepose_edge.person_filter import (
    CONFIDENT_KEYPOINT,
    duplicates,
    widened_boxes,
    with_odds_times,
)
from litepose_edge.preprocess import Image
from litepose_edge.results import Poses
from litepose_edge.skeletons import Skeleton
from litepose_edge.sources import Colour, ImageLike, read_input
from litepose_edge.tracking import tracks
from litepose_edge.tracking.one_euro import OneEuroFilter
from litepose_edge.tracking.tracks import Observation, Track

ASSUMED_FPS = 30.0
# Nearer together, motion divided by time has no meaning; farther out, seconds cannot be told apart.
MIN_STEP_S, MAX_TIME_S = 1e-6, 1e12
# A detection is a track's if their boxes overlap this much ...
DETECTION_IOU = 0.3
# ... and a new person is a lost track's if poses or boxes are this similar.
REFOUND_SIMILARITY = 0.3
# A track goes on at somewhat lower odds than one starts with, and has an id at once at higher ones.
KEEP_ODDS, IMMEDIATE_ODDS = 0.87, 1.45
CONFIRMING_OBSERVATIONS = 2
# Mean difference of a 16-pixel-wide thumbnail, out of 255, that no motion makes.
SCENE_CUT = 30.0
THUMBNAIL = 16


class PersonNetworks(Protocol):
    """What a tracker asks of the networks (`networks.Networks`)."""

    skeleton: Skeleton
    min_keypoint_score: float

    def boxes(self, image: Image, min_score: float) -> tuple[Float32, Float32]:
        """Boxes `(P, 4)` and scores `(P,)` of the detector, best first."""

    def keypoints(
        self, image: Image, boxes_xyxy: Float32, *, detected: bool
    ) -> tuple[Float32, Float32]:
        """Keypoints `(P, K, 2)` and scores `(P, K)` of the person in each box."""

    def confidence(self, box_scores: Float32, scores: Float32) -> Float32:
        """Confidence `(P,)` in each person."""

    def reported_scores(self, scores: Float32) -> Float32:
        """Keypoint scores `(P, K)` as users see them."""


@dataclass(frozen=True, slots=True)
class TrackerOptions:
    """How people are tracked.

    Attributes:
        detect_every: Run the detector on every so many frames; also whenever a person is lost and
            when the scene changes.
        smooth: Smooth the keypoints that are given out.
        max_missing_s: The track of a person who is not seen for longer ends; seen again later,
            the person has a new id.
        min_score: Confidence that a person needs to be reported.
        max_people: At most so many at once, and as many missing ones.
    """

    detect_every: int
    smooth: bool
    max_missing_s: float
    min_score: float
    max_people: int


@dataclass(frozen=True, slots=True)
class _Observed:
    """What one frame shows: in the first rows where the tracks are predicted, then new people."""

    boxes: Float32
    box_scores: Float32
    keypoints: Float32
    scores: Float32
    confidence: Float32

    def __getitem__(self, row: int) -> Observation:
        return Observation(
            keypoints=self.keypoints[row],
            scores=self.scores[row],
            box=self.boxes[row],
            box_score=float(self.box_scores[row]),
            confidence=float(self.confidence[row]),
        )


def _read(frame: ImageLike, colour: Colour) -> Image:
    return read_input(frame, colour=colour)


class Tracker:
    """Tracks the people of one camera; not to be shared between cameras or threads.

    Made by `Estimator.tracker`.

    Args:
        networks: Detector and pose network.
        options: How.
        check_frame: Returns a frame that the networks can take, or raises why they cannot.
    """

    def __init__(
        self,
        networks: PersonNetworks,
        options: TrackerOptions,
        check_frame: Callable[[ImageLike, Colour], Image] = _read,
    ) -> None:
        self._networks, self._options, self._check_frame = networks, options, check_frame
        self._sigmas = np.array(networks.skeleton.oks_sigmas)
        self._tracks: list[Track] = []
        self._filters: dict[int, OneEuroFilter] = {}
        self._ids_given = 0
        self._frames_until_detection = 0
        self._time_s: float | None = None
        self._before_s: float | None = None
        self._thumbnail: NDArray[Any] | None = None
        self._size: Size | None = None
        self.detected = False

    def update(
        self, frame: ImageLike, *, timestamp_s: float | None = None, colour: Colour = "bgr"
    ) -> Poses:
        """The people of the next frame, with `track_ids`, in the order of their ids.

        Args:
            frame: `(H, W, 3)` uint8, or what else `Estimator.predict` takes.
            timestamp_s: When it was taken, in seconds, a microsecond or more after the frame
                before; 1/30 s after it unless given.
            colour: Order of an array's channels.

        Raises:
            InvalidImageError: The frame is nothing of the kind, or larger than `max_pixels`.
            ValueError: The timestamp is not finite, or not later than the one before.
            RuntimeError: The estimator is closed, or this is a fork of its process.
        """
        image = self._check_frame(frame, colour)
        now = self._advance(timestamp_s)
        if self._size != Size.of(image):
            self._size, self._tracks, self._filters = Size.of(image), [], {}
            self._frames_until_detection = 0
        predicted = [tracks.predict(track, now) for track in self._tracks]
        observed = self._observe(image, predicted, detect=self._detection_due(image))
        if not self.detected and self._just_lost(observed):
            observed = self._observe(image, predicted, detect=True)
        self._tracks = self._next_tracks(observed, predicted, now)
        return self._report(image, now)

    def __reduce__(self) -> Any:
        raise TypeError("a Tracker cannot be pickled or copied: make one for each camera")

    def set_min_score(self, min_score: float) -> None:
        """Report people of at least this confidence from the next frame on; tracks go on.

        Raises:
            ValueError: It is not in `[0, 1]`.
        """
        least = real_number("min_score", min_score, 0, 1)
        self._options = replace(self._options, min_score=least)

    def _observe(
        self, image: Image, predicted: list[tuple[Float32, Float32]], *, detect: bool
    ) -> _Observed:
        """Poses where the tracks should be, and where the detector finds people besides."""
        boxes, box_scores = self._boxes(image, predicted, detect=detect)
        # Missing people are searched when the detector runs as well: searching an empty place on
        # every frame for a second costs as much as tracking a person.
        there = [detect or track.seen_s == self._before_s for track in self._tracks]
        if all(there):
            keypoints, scores = self._networks.keypoints(image, boxes, detected=True)
        else:
            keypoints = np.array([points for _, points in predicted], np.float32)
            scores = np.zeros(keypoints.shape[:2], np.float32)
            keypoints[there], scores[there] = self._networks.keypoints(
                image, boxes[there], detected=True
            )
        confidence = self._networks.confidence(box_scores, scores)
        return _Observed(boxes, box_scores, keypoints, scores, confidence)

    def _advance(self, timestamp_s: float | None) -> float:
        if timestamp_s is None:
            timestamp_s = 0.0 if self._time_s is None else self._time_s + 1 / ASSUMED_FPS
        try:
            timestamp_s = real_number("timestamp_s", timestamp_s, -MAX_TIME_S, MAX_TIME_S)
        except ValueError as exc:
            raise ValueError(f"timestamps are finite numbers of seconds: {exc}") from exc
        if self._time_s is not None and timestamp_s < self._time_s + MIN_STEP_S:
            raise ValueError(
                f"timestamps must grow, by a microsecond at least: got {timestamp_s} s after "
                f"{self._time_s} s; use one tracker for each camera"
            )
        self._before_s, self._time_s = self._time_s, timestamp_s
        return timestamp_s

    def _detection_due(self, image: Image) -> bool:
        # The thumbnail is taken on every frame, whatever the count says.
        due = self._scene_changed(image) or self._frames_until_detection <= 0
        self._frames_until_detection -= 1
        return due

    def _just_lost(self, observed: _Observed) -> bool:
        """Whether a person seen on the frame before is not where predicted."""
        least = with_odds_times(self._options.min_score, KEEP_ODDS)
        return any(
            track.track_id is not None and track.seen_s == self._before_s and confidence < least
            for track, confidence in zip(self._tracks, observed.confidence, strict=True)
        )

    def _boxes(
        self, image: Image, predicted: list[tuple[Float32, Float32]], *, detect: bool
    ) -> tuple[Float32, Float32]:
        """Boxes and scores of the tracks, then those the detector found besides."""
        boxes = np.array([box for box, _ in predicted], np.float32).reshape(-1, 4)
        scores = np.array([track.box_score for track in self._tracks], np.float32)
        self.detected = detect
        if not detect:
            return boxes, scores
        self._frames_until_detection = self._options.detect_every - 1
        found, found_scores = self._networks.boxes(image, self._options.min_score)
        new = np.ones(len(found), np.bool_)
        pairs = tracks.match(box_iou(boxes, found), DETECTION_IOU)
        for t, d in pairs:
            boxes[t], scores[t], new[d] = found[d], found_scores[d], False
        # Tracks that are not found again take no room: they may be where somebody was.
        room = max(self._options.max_people - len(pairs), 0)
        return (
            np.concatenate([boxes, found[new][:room]]),
            np.concatenate([scores, found_scores[new][:room]]),
        )

    def _scene_changed(self, image: Image) -> bool:
        size = (THUMBNAIL, max(1, THUMBNAIL * image.shape[0] // image.shape[1]))
        thumbnail = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
        before, self._thumbnail = self._thumbnail, thumbnail
        if before is None or before.shape != thumbnail.shape:
            return False
        return cv2.norm(thumbnail, before, cv2.NORM_L1) > SCENE_CUT * thumbnail.size

    def _next_tracks(
        self, observed: _Observed, predicted: list[tuple[Float32, Float32]], now: float
    ) -> list[Track]:
        """Updated, missing and new tracks."""
        options, count = self._options, len(self._tracks)
        people = observed.confidence >= options.min_score
        people[:count] = observed.confidence[:count] >= with_odds_times(
            options.min_score, KEEP_ODDS
        )
        people &= self._distinct(observed, predicted, people)
        refound = self._refound(observed, predicted, people)
        following, missing = [], []
        for t, track in enumerate(self._tracks):
            row = refound.get(t, t)
            if people[row]:
                following.append(self._updated(track, observed[row], now))
            elif track.track_id is not None and now - track.seen_s <= options.max_missing_s:
                missing.append(track)
        for row in range(count, len(people)):
            if people[row] and row not in refound.values():
                following.append(self._initiated(observed[row], now))
        missing.sort(key=lambda track: track.seen_s, reverse=True)
        return following + missing[: options.max_people]

    def _distinct(
        self,
        observed: _Observed,
        predicted: list[tuple[Float32, Float32]],
        people: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Who is no duplicate: of two, the better continuation of its own track stays.

        At most `max_people`, tracked ones before new ones.
        """
        rows = np.flatnonzero(people)
        distinct = np.zeros(len(people), np.bool_)
        if len(rows) < 2:
            distinct[rows] = True
            return distinct
        keypoints, scores = observed.keypoints[rows], observed.scores[rows]
        assert self._size is not None
        bodies = widened_boxes(observed.boxes[rows], keypoints, scores, self._size)
        rank = observed.confidence.astype(np.float64)
        for t, (_, points) in enumerate(predicted):
            own = self._similarity(points[None], observed, np.array([t])).item()
            rank[t] = 1 + own + (self._tracks[t].track_id is not None)
        same = duplicates(keypoints, scores, bodies, self._sigmas)
        distinct[rows[suppress(same, rank[rows])][: self._options.max_people]] = True
        return distinct

    def _refound(
        self,
        observed: _Observed,
        predicted: list[tuple[Float32, Float32]],
        people: NDArray[np.bool_],
    ) -> dict[int, int]:
        """Tracks that were not where predicted, and the new observation that is theirs."""
        missing = [t for t in range(len(predicted)) if not people[t]]
        new = np.array([r for r in range(len(predicted), len(people)) if people[r]], np.intp)
        if not missing or not len(new):
            return {}
        near = self._similarity(np.stack([predicted[t][1] for t in missing]), observed, new)
        overlap = box_iou(np.stack([predicted[t][0] for t in missing]), observed.boxes[new])
        pairs = tracks.match(np.maximum(near, overlap), REFOUND_SIMILARITY)
        return {missing[m]: int(new[n]) for m, n in pairs}

    def _similarity(
        self, keypoints: Float32, observed: _Observed, rows: NDArray[np.intp]
    ) -> NDArray[Any]:
        """OKS of predicted poses with observed ones, over the confident keypoints of the latter."""
        scores = observed.scores[rows]
        weights = np.where(scores >= CONFIDENT_KEYPOINT, scores, 0)[None]
        areas = box_area(observed.boxes[rows])[None]
        return pairwise_oks(keypoints, observed.keypoints[rows], areas, weights, self._sigmas)

    def _updated(self, track: Track, observation: Observation, now: float) -> Track:
        track = tracks.update(track, observation, now)
        if track.track_id is None and track.observations >= CONFIRMING_OBSERVATIONS:
            track = replace(track, track_id=self._new_id())
        return track

    def _initiated(self, observation: Observation, now: float) -> Track:
        """A new track; one that could be a false positive must be seen twice to count."""
        track = tracks.initiate(observation, now)
        if observation.confidence >= with_odds_times(self._options.min_score, IMMEDIATE_ODDS):
            track = replace(track, track_id=self._new_id())
        return track

    def _new_id(self) -> int:
        self._ids_given += 1
        return self._ids_given

    def _report(self, image: Image, now: float) -> Poses:
        seen = [
            track
            for track in self._tracks
            if track.track_id is not None
            and track.seen_s == now
            and track.confidence >= self._options.min_score
        ]
        seen.sort(key=lambda track: track.track_id or 0)
        alive = {track.track_id for track in self._tracks}
        self._filters = {i: f for i, f in self._filters.items() if i in alive}
        skeleton, size = self._networks.skeleton, Size.of(image)
        least = self._networks.min_keypoint_score
        if not seen:
            empty = Poses.empty(skeleton, size, min_keypoint_score=least)
            return replace(empty, track_ids=np.zeros(0, np.int64))
        return Poses(
            keypoints=np.array([self._smoothed(track, now) for track in seen]),
            scores=self._networks.reported_scores(np.array([track.scores for track in seen])),
            boxes_xyxy=np.array([track.box for track in seen]),
            person_scores=np.array([track.confidence for track in seen], np.float32),
            skeleton=skeleton,
            image_size=size,
            track_ids=np.array([track.track_id for track in seen], np.int64),
            min_keypoint_score=least,
        )

    def _smoothed(self, track: Track, now: float) -> Float32:
        if not self._options.smooth:
            return track.keypoints
        assert track.track_id is not None
        smoother = self._filters.setdefault(track.track_id, OneEuroFilter())
        size_px = float((track.box[2:] - track.box[:2]).max())
        return smoother.update(track.keypoints, now, size_px)
