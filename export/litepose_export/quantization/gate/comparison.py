"""Float against INT8 on held-out photographs, through the runtime's own recipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from litepose_edge import oks
from litepose_edge.backends import Session, open_bytes
from litepose_edge.boxes import box_area
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.manifest import (
    BottomUpSpec,
    DetectorSpec,
    Manifest,
    OneStageSpec,
    TopDownSpec,
)
from litepose_edge.measure.accuracy.coco import AnnotatedImage, CocoDataset
from litepose_edge.measure.accuracy.coco_entries import box_entries, keypoint_entries
from litepose_edge.measure.accuracy.coco_metrics import (
    CocoMetrics,
    ImageMatches,
    coco_metrics_and_matches,
)
from litepose_edge.measure.accuracy.predictions import box_matches
from litepose_edge.person_filter import pose_scores
from litepose_edge.pipelines.bottomup import BottomUp
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.pipelines.onestage import OneStage
from litepose_edge.pipelines.seam import ImagePipeline
from litepose_edge.pipelines.topdown import TopDown
from litepose_export.conversion.sample_inputs import is_labelled, people_of, read_pixels
from litepose_export.figures import GateFigures, JointShift
from litepose_export.quantization.gate import intervals
from litepose_export.quantization.gate.bounds import COUNTED_SCORE

# Shifts are quoted in pixels of a crop this high, or of a photograph with so long a short side,
# whatever the network's input.
REFERENCE_HEIGHT = 256
# Average precision needs the boxes of low score as well.
LEAST_SCORE = 0.02
# A box near the default threshold may score so much less without counting as lost.
STILL_FOUND = 0.2
SAME_PERSON = 0.5


def compare(
    float_model: onnx.ModelProto,
    quantized: onnx.ModelProto,
    manifest: Manifest,
    dataset: CocoDataset,
    people: int,
    advance: Callable[[], None] = lambda: None,
) -> GateFigures:
    """Run both files on photographs that neither was calibrated on.

    Args:
        float_model: The float file.
        quantized: The INT8 file.
        manifest: Of both.
        dataset: Held-out photographs, with or without labels, taken in order.
        people: So many crops, or photographs for networks that find people, are compared.
        advance: Called once a photograph.
    """
    first, second = (open_bytes(model.SerializeToString()) for model in (float_model, quantized))
    figures = compare_sessions((first, second), manifest, dataset, people, advance)
    first.close()
    second.close()
    return figures


def compare_sessions(
    sessions: tuple[Session, Session],
    manifest: Manifest,
    dataset: CocoDataset,
    people: int,
    advance: Callable[[], None] = lambda: None,
) -> GateFigures:
    """The same with files that are open already, in whichever engine: float first."""
    match manifest.model:
        case TopDownSpec():
            return _compare_crops(sessions, manifest, dataset, people, advance)
        case BottomUpSpec() | OneStageSpec():
            return _compare_people(sessions, manifest, dataset, people, advance)
        case DetectorSpec():
            return _compare_boxes(sessions, manifest, dataset, people, advance)


@dataclass(slots=True)
class _Shifts:
    """Collects how far keypoints moved."""

    names: tuple[str, ...]
    moved: list[tuple[NDArray[np.intp], Float64]] = field(default_factory=list)
    each: list[Float64] = field(default_factory=list)
    similar: list[float] = field(default_factory=list)
    candidates: int = 0

    def add(self, distance_px: Float64, counted: NDArray[np.bool_], candidates: int) -> None:
        """`(P, K)` distances, and which of them count."""
        self.moved.append((np.nonzero(counted)[1], distance_px[counted]))
        self.each += [far[mine] for far, mine in zip(distance_px, counted, strict=True)]
        self.candidates += candidates

    def figures(self, people: int) -> GateFigures:
        """All of them together."""
        joint = np.concatenate([j for j, _ in self.moved] or [np.zeros(0, np.intp)])
        moved = np.concatenate([d for _, d in self.moved] or [np.zeros(0)])
        if not len(moved):
            return GateFigures(people)
        each = []
        for number, name in enumerate(self.names):
            own = moved[joint == number]
            if len(own):
                each.append(JointShift(name, len(own), *_quantiles(own)))
        median, p95 = _quantiles(moved)
        found = intervals.of_shifts(self.each)
        if (alike := intervals.of_mean(self.similar)) is not None:
            found["oks"] = alike
        return GateFigures(
            people,
            joints=len(moved),
            joints_part=len(moved) / max(self.candidates, 1),
            shift_px=median,
            p95_px=p95,
            by_joint=tuple(each),
            oks=float(np.mean(self.similar)),
            intervals=found,
        )


def _quantiles(values: Float64) -> tuple[float, float]:
    return float(np.median(values)), float(np.percentile(values, 95))


def _compare_crops(
    sessions: tuple[Session, Session],
    manifest: Manifest,
    dataset: CocoDataset,
    people: int,
    advance: Callable[[], None],
) -> GateFigures:
    spec = manifest.model
    assert isinstance(spec, TopDownSpec)
    networks = [
        TopDown(lambda _, s=session: s, manifest, 1, flip_test=False)  # type: ignore[misc]
        for session in sessions
    ]
    shifts, results = _Shifts(spec.skeleton.keypoint_names), _Results(dataset, manifest)
    compared = 0
    for image in dataset:
        chosen = people_of(image)
        if compared >= people or not len(chosen):
            continue
        advance()
        pixels = read_pixels(image, dataset)
        boxes = image.boxes_xyxy[chosen]
        (first, first_scores), (second, second_scores) = (net(pixels, boxes) for net in networks)
        counted = first_scores > COUNTED_SCORE
        candidates = counted.size
        if results.labelled:
            labelled = image.keypoints[chosen, :, 2] > 0
            counted, candidates = counted & labelled, int(labelled.sum())
        distance = np.linalg.norm(first - second, axis=2).astype(np.float64)
        heights = padded_heights(boxes, manifest.input.size, spec.padding)
        shifts.add(distance * REFERENCE_HEIGHT / heights[:, None], counted, candidates)
        for i, box in enumerate(boxes):
            shifts.similar.append(_oks(first[i], second[i], counted[i], box, manifest))
        results.add(image, (first, second), (first_scores, second_scores))
        compared += len(boxes)
    return results.complete(shifts.figures(compared))


def padded_heights(boxes_xyxy: Float32, input_size: Size, padding: float) -> Float64:
    """`(P,)` heights in image pixels of what is cropped around boxes."""
    extent = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).astype(np.float64)
    aspect = input_size.height / input_size.width
    heights: Float64 = padding * np.maximum(extent[:, 1], extent[:, 0] * aspect)
    return heights


def _compare_people(
    sessions: tuple[Session, Session],
    manifest: Manifest,
    dataset: CocoDataset,
    photographs: int,
    advance: Callable[[], None],
) -> GateFigures:
    spec = manifest.model
    assert isinstance(spec, BottomUpSpec | OneStageSpec)
    networks = [_image_pipeline(session, manifest) for session in sessions]
    shifts, results = _Shifts(spec.skeleton.keypoint_names), _Results(dataset, manifest)
    again: list[bool] = []
    for image in dataset.images[:photographs]:
        advance()
        pixels = read_pixels(image, dataset)
        first, second = (network(pixels, LEAST_SCORE) for network in networks)
        results.results[0].extend(first.to_coco(image.image_id))
        results.results[1].extend(second.to_coco(image.image_id))
        results.images.append(image.image_id)
        if isinstance(spec, OneStageSpec):  # a person's score falls as a detector's box does
            second = second[second.person_scores > STILL_FOUND]
        scale = REFERENCE_HEIGHT / min(pixels.shape[:2])
        clear = np.flatnonzero(first.person_scores > COUNTED_SCORE)
        for i in clear:
            counted = first.scores[i] > COUNTED_SCORE
            alike = [
                _oks(first.keypoints[i], other, counted, first.boxes_xyxy[i], manifest)
                for other in second.keypoints
            ]
            again.append(max(alike, default=0.0) >= SAME_PERSON)
            if not again[-1]:
                continue
            best = int(np.argmax(alike))
            shifts.similar.append(alike[best])
            distance = np.linalg.norm(first.keypoints[i] - second.keypoints[best], axis=1)
            both = counted & (second.scores[best] > 0)
            shifts.add((distance * scale)[None], both[None], len(both))
    return results.complete(shifts.figures(len(again)), again)


def _image_pipeline(session: Session, manifest: Manifest) -> ImagePipeline:
    if isinstance(manifest.model, OneStageSpec):
        return OneStage(lambda _: session, manifest, 1)
    return BottomUp(lambda _: session, manifest, 1)


def _compare_boxes(
    sessions: tuple[Session, Session],
    manifest: Manifest,
    dataset: CocoDataset,
    photographs: int,
    advance: Callable[[], None],
) -> GateFigures:
    detectors = [PersonDetector(lambda _, s=session: s, manifest, 1) for session in sessions]  # type: ignore[misc]
    results: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    again: list[bool] = []
    images = []
    for image in dataset.images[:photographs]:
        advance()
        images.append(image.image_id)
        pixels = read_pixels(image, dataset)
        found = [detect(pixels, LEAST_SCORE) for detect in detectors]
        for (boxes, scores), into in zip(found, results, strict=True):
            into += box_entries(image.image_id, boxes.astype(np.float64), scores)
        (boxes, scores), (others, other_scores) = found
        clear = boxes[scores > COUNTED_SCORE]
        _, recalled = box_matches(others[other_scores > STILL_FOUND], clear)
        again += recalled.tolist()
    figures = _with_recall(GateFigures(len(again)), again)
    if is_labelled(dataset):
        scored = [
            coco_metrics_and_matches(dataset.path, entries, "bbox", images) for entries in results
        ]
        figures = _with_ap(figures, scored)
    return figures


Scored = Sequence[tuple[CocoMetrics, list[ImageMatches]]]


def _with_recall(figures: GateFigures, again: Sequence[bool]) -> GateFigures:
    """The part of the float file's people that were found again."""
    recall = float(np.mean(again)) if again else 0.0
    found = intervals.of_mean(again)
    more = {} if found is None else {"recall": found}
    return replace(figures, recall=recall, intervals=figures.intervals | more)


def _with_ap(figures: GateFigures, scored: Scored) -> GateFigures:
    """Average precision of the float file, then of the INT8 file."""
    (first, matches), (second, other_matches) = scored
    more = {}
    if len(matches) == len(other_matches):  # none where a file found no person at all
        found = intervals.of_ap_drop(matches, other_matches)
        more = {} if found is None else {"ap_drop": found}
    return replace(
        figures, ap_float=first.ap, ap_int8=second.ap, intervals=figures.intervals | more
    )


class _Results:
    """Both files' results in COCO's form, scored where the labels are of the network's kind."""

    def __init__(self, dataset: CocoDataset, manifest: Manifest) -> None:
        spec = manifest.model
        assert isinstance(spec, TopDownSpec | BottomUpSpec | OneStageSpec)
        self._dataset, self._sigmas = dataset, spec.skeleton.oks_sigmas
        self.labelled = dataset.keypoint_names == spec.skeleton.keypoint_names
        self.results: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
        self.images: list[int] = []

    def add(
        self,
        image: AnnotatedImage,
        keypoints: tuple[Float32, Float32],
        scores: tuple[Float32, Float32],
    ) -> None:
        """The people of one photograph."""
        self.images.append(image.image_id)
        for into, points, heat in zip(self.results, keypoints, scores, strict=True):
            ranks = np.array(pose_scores(heat))
            into += keypoint_entries(image.image_id, points, heat, ranks)

    def complete(self, figures: GateFigures, again: Sequence[bool] | None = None) -> GateFigures:
        """The figures with recall, where people are found, and average precision in them."""
        if again is not None:
            figures = _with_recall(figures, again)
        if not (self.labelled and self.images):
            return figures
        path, images = self._dataset.path, self.images
        scored = [
            coco_metrics_and_matches(path, entries, "keypoints", images, self._sigmas)
            for entries in self.results
        ]
        return _with_ap(figures, scored)


def _oks(
    first: NDArray[Any],
    second: NDArray[Any],
    counted: NDArray[np.bool_],
    box_xyxy: NDArray[Any],
    manifest: Manifest,
) -> float:
    """Similarity of two poses over the keypoints that count; 1 where none does."""
    if not counted.any():
        return 1.0
    assert isinstance(manifest.model, TopDownSpec | BottomUpSpec | OneStageSpec)
    sigmas = np.array(manifest.model.skeleton.oks_sigmas)
    area = box_area(box_xyxy[None])
    alike = oks.pairwise_oks(
        first[None].astype(np.float32), second[None].astype(np.float32), area, counted, sigmas
    )
    return float(alike[0, 0])
