"""One camera's people over time: when to detect, where to look, who is who."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge import oks
from litepose_edge.boxes import box_iou
from litepose_edge.geometry import Float32, Size
from litepose_edge.person_filter import belief, person_scores
from litepose_edge.pipelines.detector import BoxSource
from litepose_edge.preprocess import Image, check_image
from litepose_edge.results import Poses
from litepose_edge.skeletons import Skeleton
from litepose_edge.tracking import tracks
from litepose_edge.tracking.one_euro import OneEuroFilter
from litepose_edge.tracking.tracks import Track

PoseNetwork = Callable[[Image, Float32], tuple[Float32, Float32]]

ASSUMED_FPS = 30.0
SAME_BOX, SAME_PERSON, FOUND_AGAIN = 0.3, 0.7, 0.3
# A track goes on at less than what starts one.
KEEP_PART, SURE_PART = 0.92, 1.22
CONFIRMING_SIGHTS = 2
# Mean difference of a 16-pixel-wide thumbnail, out of 255, that no motion makes.
SCENE_CUT = 30.0
THUMBNAIL = 16


@dataclass(frozen=True, slots=True)
class TrackerOptions:
    """How people are followed.

    Attributes:
        detect_every: Run the detector on every so many frames; also whenever somebody is lost
            and when the scene changes.
        smooth: Smooth the keypoints that are given out.
        max_missing_s: Whoever is not seen for longer is forgotten; seen again later, they are
            somebody new.
        min_score: Detector boxes below do not start a track.
        min_belief: Nor do people whose box and keypoints together are less sure.
        max_people: At most so many at once.
    """

    detect_every: int
    smooth: bool
    max_missing_s: float
    min_score: float
    min_belief: float
    max_people: int


@dataclass(frozen=True, slots=True)
class _Sights:
    """What one frame showed: where was looked, and what was there."""

    boxes: Float32
    box_scores: Float32
    keypoints: Float32
    scores: Float32
    belief: Float32


class Tracker:
    """Follows the people of one camera; not to be shared between cameras or threads.

    Made by `Estimator.tracker`.

    Args:
        find: The detector.
        pose: Image and `(P, 4)` boxes to keypoints `(P, K, 2)` and scores `(P, K)`.
        skeleton: The keypoint set.
        options: How.
    """

    def __init__(
        self, find: BoxSource, pose: PoseNetwork, skeleton: Skeleton, options: TrackerOptions
    ) -> None:
        self._find, self._pose = find, pose
        self._skeleton, self._options = skeleton, options
        self._sigmas = np.array(skeleton.oks_sigmas)
        self._tracks: list[Track] = []
        self._filters: dict[int, OneEuroFilter] = {}
        self._ids_given = 0
        self._frames_until_detection = 0
        self._time_s: float | None = None
        self._before_s: float | None = None
        self._thumbnail: NDArray[Any] | None = None
        self._size: Size | None = None
        self.detected = False

    def update(self, frame: NDArray[np.uint8], *, timestamp_s: float | None = None) -> Poses:
        """The people of the next frame, with `track_ids`, in the order of their ids.

        Args:
            frame: `(H, W, 3)` uint8 BGR.
            timestamp_s: When it was taken, later than the frame before; 1/30 s after it unless
                given.

        Raises:
            InvalidImageError: The frame is not such an array.
            ValueError: The timestamp is not later than the one before.
        """
        image = check_image(frame)
        now = self._advance(timestamp_s)
        if self._size != Size.of(image):
            self._size, self._tracks, self._filters = Size.of(image), [], {}
            self._frames_until_detection = 0
        foretold = [tracks.foretell(track, now) for track in self._tracks]
        sights = self._look(image, foretold, detect=self._detection_due(image))
        if not self.detected and self._just_lost(sights):
            sights = self._look(image, foretold, detect=True)
        self._tracks = self._next_tracks(sights, foretold, now)
        return self._report(image, now)

    def _look(
        self, image: Image, foretold: list[tuple[Float32, Float32]], *, detect: bool
    ) -> _Sights:
        """Poses where the tracks should be, and where the detector finds somebody besides."""
        boxes, box_scores = self._where_to_look(image, foretold, detect=detect)
        # Whoever is missing is looked for when the detector looks as well: searching an empty
        # place on every frame for a second costs as much as following somebody.
        there = [detect or track.seen_s == self._before_s for track in self._tracks]
        if all(there):
            keypoints, scores = self._pose(image, boxes)
        else:
            keypoints = np.array([points for _, points in foretold], np.float32)
            scores = np.zeros(keypoints.shape[:2], np.float32)
            keypoints[there], scores[there] = self._pose(image, boxes[there])
        return _Sights(boxes, box_scores, keypoints, scores, belief(box_scores, scores))

    def _advance(self, timestamp_s: float | None) -> float:
        if timestamp_s is None:
            timestamp_s = 0.0 if self._time_s is None else self._time_s + 1 / ASSUMED_FPS
        if self._time_s is not None and timestamp_s <= self._time_s:
            raise ValueError(
                f"timestamps must grow: got {timestamp_s} s after {self._time_s} s; "
                "use one tracker for each camera"
            )
        self._before_s, self._time_s = self._time_s, timestamp_s
        return timestamp_s

    def _detection_due(self, image: Image) -> bool:
        # The thumbnail is taken on every frame, whatever the count says.
        due = self._scene_changed(image) or self._frames_until_detection <= 0
        self._frames_until_detection -= 1
        return due

    def _just_lost(self, sights: _Sights) -> bool:
        """Whether somebody seen on the frame before is not where they should be."""
        least = KEEP_PART * self._options.min_belief
        return any(
            track.track_id is not None and track.seen_s == self._before_s and believed < least
            for track, believed in zip(self._tracks, sights.belief, strict=True)
        )

    def _where_to_look(
        self, image: Image, foretold: list[tuple[Float32, Float32]], *, detect: bool
    ) -> tuple[Float32, Float32]:
        """Boxes and scores of the tracks, then those the detector found besides."""
        boxes = np.array([box for box, _ in foretold], np.float32).reshape(-1, 4)
        scores = np.array([track.box_score for track in self._tracks], np.float32)
        self.detected = detect
        if not detect:
            return boxes, scores
        self._frames_until_detection = self._options.detect_every - 1
        found, found_scores = self._find(image, self._options.min_score)
        new = np.ones(len(found), np.bool_)
        for t, d in tracks.match(box_iou(boxes, found), SAME_BOX):
            boxes[t], scores[t], new[d] = found[d], found_scores[d], False
        room = max(self._options.max_people - len(boxes), 0)
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
        self, sights: _Sights, foretold: list[tuple[Float32, Float32]], now: float
    ) -> list[Track]:
        """Who goes on, who is missing, who is new."""
        options, count = self._options, len(self._tracks)
        believed = sights.belief >= options.min_belief
        believed[:count] = sights.belief[:count] >= KEEP_PART * options.min_belief
        self._drop_doubles(sights, foretold, believed)
        taken = self._found_again(sights, foretold, believed)
        tracks = []
        for t, track in enumerate(self._tracks):
            sight = taken.get(t, t)
            if believed[sight]:
                tracks.append(self._seen(track, sights, sight, now))
            elif track.track_id is not None and now - track.seen_s <= options.max_missing_s:
                tracks.append(track)
        for s in range(count, len(believed)):
            if believed[s] and s not in taken.values():
                tracks.append(self._born(sights, s, now))
        return tracks

    def _drop_doubles(
        self,
        sights: _Sights,
        foretold: list[tuple[Float32, Float32]],
        believed: NDArray[np.bool_],
    ) -> None:
        """Two skeletons on one person: the better continuation of its own track stays."""
        count = len(sights.belief)
        if count < 2:
            return
        sizes = tracks.areas(sights.boxes)
        alike = oks.pose_similarity(
            sights.keypoints, sights.keypoints, sights.scores, sizes, self._sigmas
        )
        own = np.zeros(count)
        for t, (_, keypoints) in enumerate(foretold):
            own[t] = (
                1
                + oks.pose_similarity(
                    keypoints[None],
                    sights.keypoints[t : t + 1],
                    sights.scores[t : t + 1],
                    sizes[t : t + 1],
                    self._sigmas,
                ).item()
                + (self._tracks[t].track_id is not None)
            )
        own[len(foretold) :] = sights.belief[len(foretold) :]
        for i in np.argsort(-own, kind="stable"):
            if believed[i]:
                doubles = (np.maximum(alike[i], alike[:, i]) > SAME_PERSON) & (own <= own[i])
                doubles[i] = False
                believed &= ~doubles

    def _found_again(
        self,
        sights: _Sights,
        foretold: list[tuple[Float32, Float32]],
        believed: NDArray[np.bool_],
    ) -> dict[int, int]:
        """Tracks that were not where foretold, and the new sight that is them."""
        missing = [t for t in range(len(foretold)) if not believed[t]]
        new = [s for s in range(len(foretold), len(believed)) if believed[s]]
        if not missing or not new:
            return {}
        near = oks.pose_similarity(
            np.stack([foretold[t][1] for t in missing]),
            sights.keypoints[new],
            sights.scores[new],
            tracks.areas(sights.boxes[new]),
            self._sigmas,
        )
        overlap = box_iou(np.stack([foretold[t][0] for t in missing]), sights.boxes[new])
        pairs = tracks.match(np.maximum(near, overlap), FOUND_AGAIN)
        return {missing[m]: new[n] for m, n in pairs}

    def _seen(self, track: Track, sights: _Sights, sight: int, now: float) -> Track:
        track = tracks.seen_again(
            track,
            sights.keypoints[sight],
            sights.scores[sight],
            sights.boxes[sight],
            float(sights.box_scores[sight]),
            now,
        )
        if track.track_id is None and track.sights >= CONFIRMING_SIGHTS:
            track = replace(track, track_id=self._new_id())
        return track

    def _born(self, sights: _Sights, sight: int, now: float) -> Track:
        """A new track; one that could be a false alarm must be seen twice to count."""
        sure = sights.belief[sight] >= SURE_PART * self._options.min_belief
        return Track(
            track_id=self._new_id() if sure else None,
            keypoints=sights.keypoints[sight],
            scores=sights.scores[sight],
            box=tracks.box_of(sights.keypoints[sight], sights.scores[sight], sights.boxes[sight]),
            box_score=float(sights.box_scores[sight]),
            velocity=np.zeros(2),
            seen_s=now,
        )

    def _new_id(self) -> int:
        self._ids_given += 1
        return self._ids_given

    def _report(self, image: Image, now: float) -> Poses:
        seen = [t for t in self._tracks if t.track_id is not None and t.seen_s == now]
        seen.sort(key=lambda track: track.track_id or 0)
        alive = {track.track_id for track in self._tracks}
        self._filters = {i: f for i, f in self._filters.items() if i in alive}
        if not seen:
            empty = Poses.empty(self._skeleton, Size.of(image))
            return replace(empty, track_ids=np.zeros(0, np.int64))
        scores = np.array([track.scores for track in seen])
        return Poses(
            keypoints=np.array([self._smoothed(track, now) for track in seen]),
            scores=scores,
            boxes_xyxy=np.array([track.box for track in seen]),
            person_scores=person_scores(
                np.array([track.box_score for track in seen], np.float32), scores
            ),
            skeleton=self._skeleton,
            image_size=Size.of(image),
            track_ids=np.array([track.track_id for track in seen], np.int64),
        )

    def _smoothed(self, track: Track, now: float) -> Float32:
        if not self._options.smooth:
            return track.keypoints
        assert track.track_id is not None
        smoother = self._filters.setdefault(track.track_id, OneEuroFilter())
        size_px = float((track.box[2:] - track.box[:2]).max())
        return smoother.update(track.keypoints, now, size_px)
