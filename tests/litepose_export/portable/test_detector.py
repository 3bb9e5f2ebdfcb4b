"""Detectors from frame to boxes: one ONNX graph against the runtime."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")
pytestmark = pytest.mark.export

from litepose_edge import backends  # noqa: E402
from litepose_edge.boxes import box_iou, nms  # noqa: E402
from litepose_edge.decoding import detector_heads as numpy_heads  # noqa: E402
from litepose_edge.decoding.box_fusion import fuse  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.manifest import (  # noqa: E402
    DecodedFormat,
    DetectorSpec,
    FastestdetFormat,
    GflFormat,
    RtmdetFormat,
    YoloxFormat,
)
from litepose_edge.pipelines.detector import PersonDetector  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.portable import fusion, job  # noqa: E402
from litepose_export.portable.check import as_colour  # noqa: E402
from litepose_export.portable.detector_heads import Heads  # noqa: E402
from paths import ROOT  # noqa: E402

SIZE, STRIDES = Size(64, 32), (8, 16)
CELLS = [(4, 8), (2, 4)]


@pytest.fixture(scope="module")
def picture():
    """The photograph in the public domain, twice: people of two sizes."""
    photograph = cv2.imread(str(ROOT / "docs" / "astronaut.png"))
    frame = np.full((480, 640, 3), 90, np.uint8)
    frame[60:420, 20:380] = photograph
    frame[200:380, 420:600] = cv2.resize(photograph, (180, 180), interpolation=cv2.INTER_AREA)
    return frame


@pytest.fixture(scope="module", params=[None, 224], ids=["two views", "one view"])
def both(request, tmp_path_factory, opened):
    path = tmp_path_factory.mktemp("portable") / "detector.onnx"
    job.convert("persondet", path, job.PortableOptions(detector_size=request.param))
    found = backends.find_model("persondet")
    detector = PersonDetector(found.open, found.manifest, 1, size=request.param)
    yield opened(path), detector
    detector.close()


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.1])
def test_boxes_are_the_runtimes(both, picture, scale):
    session, detector = both
    frame = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    boxes, scores = session.run(None, {"frame": frame})
    expected, expected_scores = detector(frame, 0.3)
    clear = expected_scores > 0.5
    overlap = box_iou(expected[clear], boxes)
    assert clear.sum() >= 1
    assert overlap.max(axis=1).min() > 0.9
    near = scores[overlap.argmax(axis=1)]
    assert np.abs(near - expected_scores[clear]).max() < 0.1
    assert (np.diff(scores) <= 0).all()
    assert boxes.min() >= -0.5
    assert (boxes.max(axis=0)[2:] <= [frame.shape[1] - 0.5, frame.shape[0] - 0.5]).all()


@pytest.mark.parametrize("shape", [(90, 120), (1, 1), (3, 900), (900, 2), (481, 639)])
def test_frames_without_people_give_empty_tables(both, shape):
    boxes, scores = both[0].run(None, {"frame": np.full((*shape, 3), 90, np.uint8)})
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_other_channel_orders(both, picture, tmp_path, opened):
    options = job.PortableOptions(colour="rgba", detector_size=224)
    job.convert("persondet", tmp_path / "out.onnx", options)
    boxes, scores = opened(tmp_path / "out.onnx").run(None, {"frame": as_colour(picture, "rgba")})
    assert len(boxes)
    if len(both[1]._views) == 1:
        expected = both[0].run(None, {"frame": picture})
        assert np.array_equal(boxes, expected[0])
        assert np.array_equal(scores, expected[1])


def tables(rng, *columns):
    """One `(1, C, h, w)` output a level for each number of columns."""
    return [rng.normal(0, 1, (1, c, h, w)).astype(np.float32) for c in columns for h, w in CELLS]


def every_cell(outputs, output_format, strides):
    """What the runtime makes of outputs, at any score."""
    size, options = SIZE, {"person": 1, "min_score": 0.0}
    match output_format:
        case "persondet":
            return numpy_heads.decode_levels(outputs, strides, 0.0)
        case YoloxFormat():
            return numpy_heads.decode_yolox(outputs[0], size, strides, output_format, **options)
        case GflFormat():
            return numpy_heads.decode_gfl(outputs, size, strides, output_format, **options)
        case RtmdetFormat():
            return numpy_heads.decode_rtmdet(outputs, size, strides, output_format, **options)
        case FastestdetFormat():
            return numpy_heads.decode_fastestdet(outputs[0], size, strides, **options)


def outputs_of(output_format, rng):
    cells = sum(h * w for h, w in CELLS)
    match output_format:
        case "persondet":
            return tables(rng, 5), STRIDES
        case YoloxFormat():
            return [rng.uniform(0, 1, (1, cells, 8)).astype(np.float32)], STRIDES
        case GflFormat(bins=bins) if output_format.cell_offset:
            return tables(rng, 3, 4 * bins), STRIDES
        case GflFormat(bins=bins):
            return [rng.normal(0, 1, (1, cells, 3 + 4 * bins)).astype(np.float32)], STRIDES
        case RtmdetFormat():
            return tables(rng, 2, 4), STRIDES
        case FastestdetFormat():
            return [rng.uniform(0, 1, (1, 7, *CELLS[0])).astype(np.float32)], STRIDES[:1]


@pytest.mark.parametrize(
    "output_format",
    [
        "persondet",
        YoloxFormat(),
        YoloxFormat(activation="sigmoid"),
        GflFormat(bins=8, cell_offset=0.5, activation="sigmoid"),
        GflFormat(bins=8, cell_offset=0.0, activation="sigmoid"),
        RtmdetFormat(activation="sigmoid"),
        FastestdetFormat(),
    ],
    ids=str,
)
def test_heads_give_the_runtimes_boxes(evaluate, output_format):
    outputs, strides = outputs_of(output_format, np.random.default_rng(0))
    names = [f"output_{i}" for i in range(len(outputs))]
    spec = DetectorSpec(
        output_format=output_format,
        outputs=tuple(names),
        fill=(114, 114, 114),
        max_iou=0.6,
        strides=strides,
        person=0 if output_format == "persondet" else 1,
    )
    size = np.array([SIZE.width, SIZE.height], np.float64)

    def write(graph):
        ranks = [output.ndim for output in outputs]
        return list(Heads(graph, names, ranks, "size", spec).decode())

    boxes, scores = evaluate(write, {"size": size, **dict(zip(names, outputs, strict=True))})
    expected, expected_scores = every_cell(outputs, output_format, strides)
    # The runtime leaves out cells that score nothing at all.
    kept = scores > 1e-6
    assert np.allclose(boxes[kept], expected, atol=2e-3)
    assert np.allclose(scores[kept], expected_scores, atol=1e-5)


def test_boxes_that_a_graph_has_decoded_are_refused():
    spec = DetectorSpec(
        output_format=DecodedFormat(columns=("x1", "y1", "x2", "y2", "score")),
        outputs=("table",),
        fill=(0, 0, 0),
        max_iou=0.6,
    )
    from litepose_export.portable.graph import GraphWriter

    with pytest.raises(ExportError, match="run its file with ONNX Runtime as it is"):
        Heads(GraphWriter(), ["table"], [3], "size", spec).decode()


@pytest.mark.parametrize("views", [2, 3])
def test_fusion_is_the_runtimes(evaluate, views):
    rng = np.random.default_rng(views)
    for trial in range(8):
        people = rng.uniform(0, 200, (5 * (trial > 0), 2))
        found = []
        for _ in range(views):
            seen = people[rng.uniform(size=len(people)) < 0.8]
            low = seen + rng.normal(0, 6, seen.shape)
            boxes = np.concatenate([low, low + 60 + rng.normal(0, 6, seen.shape)], axis=1)
            # In the second trial no box alone scores as much as a person must.
            most = 0.29 if trial == 1 else 1.0
            scores = rng.uniform(0.15, most, len(seen)).astype(np.float32)
            found.append((boxes.astype(np.float32), scores))
        numbers = np.concatenate([np.full(len(b), i) for i, (b, _) in enumerate(found)])
        expected, expected_scores = fuse(found, 0.5, 0.3)
        kept = nms(expected, expected_scores, 0.5)
        boxes, scores = evaluate(
            lambda graph: list(
                fusion.fused(
                    graph, "boxes", "scores", "numbers", views=views, min_iou=0.5, min_score=0.3
                )
            ),
            {
                "boxes": np.concatenate([b for b, _ in found]),
                "scores": np.concatenate([s for _, s in found]),
                "numbers": numbers.astype(np.int64),
            },
        )
        assert np.allclose(boxes, expected[kept], atol=1e-3)
        assert np.allclose(scores, expected_scores[kept], atol=1e-6)
