"""Tracking people through videos: cost, agreement with detecting always, ids, accuracy, jitter.

    python -m benchmarks.budget.video CLIP [CLIP ...] [--walkers N] [--yolox yolox_nano_416.onnx]
        [--reference tfjs_pose_squats.full.json] [--detect-every 10] [--json FILE]

`--walkers` states how many people the first clip shows one after another, counted by eye; each must
get one id. `--yolox` adds rtmlib 0.0.16's way: its YOLOX class and its ViTPose class with our float
weights on every frame. `--reference` holds BlazePose landmarks of the last clip, frame by frame.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.budget.bars import Bar, finish, without
from benchmarks.peers.onnx_threads import within_affinity
from benchmarks.peers.rtmlib_pose import open_vitpose
from litepose_edge import Estimator, Poses, oks
from litepose_edge.backends import bundled, find_model
from litepose_edge.boxes import box_area
from litepose_edge.measure.timing import no_preparation, time_call
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.pipelines.topdown import TopDown
from litepose_edge.preprocess import Image
from litepose_edge.sources import Frame, open_source
from litepose_edge.tracking import tracks
from litepose_edge.tracking.tracker import Tracker

MODEL = "lrpose-s"
DETECTOR, MIN_SCORE = "persondet", 0.3
VISIBLE_SCORE = 0.3
# COCO's joints among BlazePose's 33 landmarks; the face has none that are the same points.
BLAZEPOSE = {5: 11, 6: 12, 7: 13, 8: 14, 9: 15, 10: 16, 11: 23, 12: 24, 13: 25, 14: 26, 15: 27,
             16: 28}  # fmt: skip
PCK_PART = 0.2
STRETCH = 30
Result = TypeVar("Result")
MOST_TO_PARTS, MOST_TO_RTMLIB = 1.10, 1 / 6


def main() -> None:
    """Measure every clip and report."""
    options = arguments()
    absent = [str(clip) for clip in options.clips if not clip.exists()]
    if absent:
        reason = f"{', '.join(absent)} not here"
        unmeasured = [bar for clip in options.clips for bar in bars(clip.name, {})]
        finish({}, without(unmeasured, reason), options.json)
        return
    report: dict[str, Any] = {"clips": {}}
    for number, clip in enumerate(options.clips):
        frames = list(open_source(clip).frames)
        report["clips"][clip.name] = measure(frames, options, first=number == 0)
    if options.reference:
        landmarks = np.array(json.loads(options.reference.read_text()))[..., :2]
        frames = list(open_source(options.clips[-1]).frames)
        report["reference"] = {
            name: accuracy(frames, landmarks, options.detect_every, smooth=smooth)
            for name, smooth in (("as found", False), ("smoothed", True))
        }
    print_report(report)
    rows = [bar for name, clip in report["clips"].items() for bar in bars(name, clip)]
    finish(report, rows, options.json)


def bars(name: str, clip: dict[str, Any]) -> list[Bar]:
    """The budget's rows of one clip."""
    rows = (
        ("tracker / (pose + detector / N)", "tracker_to_parts", MOST_TO_PARTS),
        ("tracker / rtmlib on every frame", "tracker_to_rtmlib", MOST_TO_RTMLIB),
    )
    return [
        Bar(
            name=f"{what}, {name}",
            limit=limit,
            figure=clip.get(key),
            reason=None if key in clip else "rtmlib or its detector's file is not here",
        )
        for what, key, limit in rows
    ]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--walkers", type=int)
    parser.add_argument("--yolox", type=Path)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--detect-every", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def measure(frames: list[Frame], options: argparse.Namespace, *, first: bool) -> dict[str, Any]:
    """One clip: our tracker, our parts, detection on every frame, and rtmlib, alternating."""
    estimator = Estimator(MODEL, threads=options.threads)
    every = options.detect_every
    tracker = estimator.tracker(detect_every=every, smooth=False)
    always = estimator.tracker(detect_every=1, smooth=False)
    detector, pose = _open_parts(options.threads)
    baseline = _rtmlib(options.yolox) if _has_rtmlib(options.yolox) else None
    times: dict[str, list[float]] = {
        name: [] for name in ("tracker", "always", "detect", "pose", "rtmlib")
    }
    tracked: list[Poses] = []
    similar: list[float] = []
    # Opens the networks, which is start-up and not tracking.
    pose(frames[0].image, estimator.predict(frames[0].image).boxes_xyxy)
    # Stretches of frames take turns, not single ones: each way runs as it would alone.
    for start in range(0, len(frames), STRETCH):
        stretch = [frame.image for frame in frames[start : start + STRETCH]]
        stamps = [frame.timestamp_s for frame in frames[start : start + STRETCH]]
        found = [
            _timed(times["tracker"], partial(_update, tracker, timestamp_s=t), image)
            for image, t in zip(stretch, stamps, strict=True)
        ]
        other = [
            _timed(times["always"], partial(_update, always, timestamp_s=t), image)
            for image, t in zip(stretch, stamps, strict=True)
        ]
        # The parts in the rhythm of the whole: a detector that runs on every tenth frame finds
        # its weights pushed out of the caches, one that runs again and again does not.
        for number, (image, poses) in enumerate(zip(stretch, found, strict=True)):
            if number % every == 0:
                _timed(times["detect"], partial(detector, min_score=MIN_SCORE), image)
            if len(poses):
                boxes = poses.boxes_xyxy
                _timed(times["pose"], partial(pose, boxes_xyxy=boxes, detected=True), image)
        if baseline is not None:
            for image in stretch:
                _timed(times["rtmlib"], baseline, image)
        tracked += found
        for poses, others in zip(found, other, strict=True):
            similar += _agreement(poses, others)
    people = float(np.mean([len(p) for p in tracked]))
    mean = {name: float(np.mean(values)) for name, values in times.items() if values}
    occupied = np.mean([len(p) > 0 for p in tracked])
    parts = mean.get("pose", 0.0) * occupied + mean["detect"] / every
    result: dict[str, Any] = {
        "frames": len(frames),
        "people_a_frame": people,
        "mean_ms": mean,
        "tracker_to_parts": mean["tracker"] / parts,
        "oks_to_always": float(np.mean(similar)) if similar else None,
        "ids": _ids(tracked),
    }
    if baseline is not None:
        result["tracker_to_rtmlib"] = mean["tracker"] / mean["rtmlib"]
    if first and options.walkers is not None:
        result["id_switches"] = len(result["ids"]) - options.walkers
    return result


def accuracy(
    frames: list[Frame], landmarks: NDArray[np.float64], detect_every: int, *, smooth: bool
) -> dict[str, float]:
    """PCK at a fifth of the torso, and jitter, against BlazePose's published landmarks."""
    tracker = Estimator(MODEL).tracker(detect_every=detect_every, smooth=smooth)
    ours, theirs = list(BLAZEPOSE), list(BLAZEPOSE.values())
    found = np.full((len(frames), len(ours), 2), np.nan)
    for i, frame in enumerate(frames):
        poses = _update(tracker, frame.image, frame.timestamp_s)
        if len(poses):
            found[i] = poses.keypoints[0, ours]
    truth = landmarks[: len(frames), theirs]
    shoulders, hips = truth[:, :2].mean(axis=1), truth[:, 6:8].mean(axis=1)
    torso = np.linalg.norm(shoulders - hips, axis=1)[:, None]
    error = np.linalg.norm(found - truth, axis=-1)
    bend = found[2:] - 2 * found[1:-1] + found[:-2]
    true_bend = truth[2:] - 2 * truth[1:-1] + truth[:-2]
    return {
        "pck": float(np.mean(np.nan_to_num(error, nan=np.inf) <= PCK_PART * torso)),
        "median_error_to_torso": float(np.nanmedian(error / torso)),
        "jitter_px": float(np.nanmedian(np.linalg.norm(bend - true_bend, axis=-1))),
    }


def _update(tracker: Tracker, image: Image, timestamp_s: float) -> Poses:
    return tracker.update(image, timestamp_s=timestamp_s)


def _timed(samples: list[float], job: Callable[[Image], Result], image: Image) -> Result:
    """Run a job on a frame as a decoder leaves it, just written, whichever job comes first."""
    result, elapsed = time_call(partial(job, image.copy()), prepare=no_preparation)
    samples.append(elapsed.wall_ms)
    return result


def _open_parts(threads: int) -> tuple[PersonDetector, TopDown]:
    """Detector and pose network by themselves."""
    found = find_model(DETECTOR, threads=threads)
    detector = PersonDetector(found.open, found.manifest, threads)
    model = find_model(MODEL, threads=threads)
    return detector, TopDown(model.open, model.manifest, threads)


def _agreement(poses: Poses, other: Poses) -> list[float]:
    """OKS of each person that both found."""
    if not len(poses) or not len(other):
        return []
    weights = np.where(other.scores >= VISIBLE_SCORE, other.scores, 0)[None]
    sigmas = np.array(poses.skeleton.oks_sigmas)
    areas = box_area(other.boxes_xyxy)[None]
    alike = oks.pairwise_oks(poses.keypoints, other.keypoints, areas, weights, sigmas)
    return [float(alike[i, j]) for i, j in tracks.match(alike, 0.1)]


def _ids(tracked: list[Poses]) -> dict[int, list[int]]:
    """First and last frame and number of frames of each id."""
    frames_of: dict[int, list[int]] = {}
    for number, poses in enumerate(tracked):
        assert poses.track_ids is not None
        for track_id in poses.track_ids.tolist():
            frames_of.setdefault(track_id, []).append(number)
    return {i: [numbers[0], numbers[-1], len(numbers)] for i, numbers in frames_of.items()}


def _has_rtmlib(yolox: Path | None) -> bool:
    return yolox is not None and yolox.exists() and importlib.util.find_spec("rtmlib") is not None


def _rtmlib(yolox: Path) -> Any:
    """Detection and pose on every frame, as rtmlib's solutions do."""
    from rtmlib.tools.object_detection.yolox import YOLOX

    size = find_model(MODEL, precision="fp32").manifest.input.size
    with contextlib.redirect_stdout(io.StringIO()), within_affinity():
        detector = YOLOX(str(yolox), model_input_size=(416, 416))
    pose = open_vitpose(bundled.find(MODEL, "fp32"), size)
    return lambda image: pose(image, detector(image))


def print_report(report: dict[str, Any]) -> None:
    """The report for people."""
    for name, clip in report["clips"].items():
        print(f"{name}: {clip['frames']} frames, {clip['people_a_frame']:.2f} people a frame")
        costs = ", ".join(f"{k} {v:.2f} ms" for k, v in clip["mean_ms"].items())
        print(f"  mean: {costs}")
        print(f"  tracker / (pose + detector / N)        {clip['tracker_to_parts']:.3f}  (<= 1.10)")
        if "tracker_to_rtmlib" in clip:
            ratio = clip["tracker_to_rtmlib"]
            print(f"  tracker / rtmlib on every frame        {ratio:.3f}  (<= 0.167)")
        if clip["oks_to_always"] is not None:
            print(f"  OKS against detecting every frame      {clip['oks_to_always']:.3f}  (>= 0.9)")
        if "id_switches" in clip:
            print(f"  id switches                            {clip['id_switches']}  (0)")
        for track_id, (first, last, count) in clip["ids"].items():
            print(f"  id {track_id}: frames {first} to {last}, found in {count}")
    for name, figures in report.get("reference", {}).items():
        print(
            f"{name}: PCK@0.2 torso {figures['pck']:.3f}, median error "
            f"{figures['median_error_to_torso']:.3f} torso, jitter {figures['jitter_px']:.1f} px"
        )


if __name__ == "__main__":
    main()
