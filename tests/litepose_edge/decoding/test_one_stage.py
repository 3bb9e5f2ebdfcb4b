"""Tables of one-stage networks to candidates."""

from __future__ import annotations

import numpy as np
import pytest

from litepose_edge.decoding import one_stage
from litepose_edge.decoding.one_stage import decode_rtmo, decode_yolo_pose
from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Size
from litepose_edge.manifest import YoloPoseFormat
from one_stage import person, tables

RAW, END_TO_END = YoloPoseFormat(), YoloPoseFormat(end_to_end=True)
SIZE = Size(96, 64)


def decoded(form, people, keypoints=17, least=0.3):
    arrays = tables(form, people, keypoints)
    if form == "rtmo":
        return decode_rtmo(arrays["dets"], arrays["keypoints"], keypoints, least)
    output_format = END_TO_END if form == "end to end" else RAW
    return decode_yolo_pose(arrays["output0"], output_format, keypoints, SIZE, least)


@pytest.mark.parametrize("keypoints", [17, 21])
@pytest.mark.parametrize("form", ["raw", "end to end", "rtmo"])
def test_every_form_gives_the_same_people(form, keypoints):
    people = [person((4, 8, 20, 40), 0.9, keypoints, 1), person((30, 5, 60, 44), 0.5, keypoints, 2)]
    found = decoded(form, people, keypoints)
    np.testing.assert_allclose(found.boxes, [people[0][0], people[1][0]], atol=1e-5)
    np.testing.assert_allclose(found.scores, [0.9, 0.5], atol=1e-6)
    points = np.stack([people[0][2], people[1][2]])
    np.testing.assert_allclose(found.keypoints, points[..., :2], atol=1e-5)
    np.testing.assert_allclose(found.keypoint_scores, points[..., 2], atol=1e-6)
    assert {a.dtype for a in (found.boxes, found.scores, found.keypoints)} == {np.dtype("f4")}


@pytest.mark.parametrize("end_to_end", [False, True])
def test_places_from_0_to_1_are_those_of_the_input(end_to_end):
    form = "end to end" if end_to_end else "raw"
    box, score, points = person((24, 8, 48, 56), 0.9)
    parts = box / [96, 64, 96, 64], score, points / [96, 64, 1]
    output_format = YoloPoseFormat(end_to_end=end_to_end, unit="image")
    found = decode_yolo_pose(tables(form, [parts])["output0"], output_format, 17, SIZE, 0.3)
    np.testing.assert_allclose(found.boxes[0], box, atol=1e-4)
    np.testing.assert_allclose(found.keypoints[0], points[:, :2], atol=1e-4)
    np.testing.assert_allclose(found.keypoint_scores[0], points[:, 2], atol=1e-6)


@pytest.mark.parametrize("form", ["raw", "end to end", "rtmo"])
def test_rows_below_the_threshold_are_padding(form):
    people = [person((4, 8, 20, 40), 0.29), person((30, 5, 60, 44), 0.31)]
    assert len(decoded(form, people).scores) == 1
    # A score of 0 is none, whatever the threshold.
    assert len(decoded(form, people, least=0.0).scores) == 2
    assert len(decoded(form, [], least=0.0).scores) == 0


def test_a_person_scores_as_the_best_class_or_as_the_one_that_is_people():
    column = np.array([32, 32, 20, 40, 0.2, 0.7, *[30, 31, 0.9] * 17], np.float32)
    output = np.repeat(column[None, :, None], 3, axis=2)
    every = decode_yolo_pose(output, YoloPoseFormat(classes=2), 17, SIZE, 0.1)
    np.testing.assert_allclose(every.scores, 0.7, rtol=1e-6)
    first = decode_yolo_pose(output, YoloPoseFormat(classes=2, person=0), 17, SIZE, 0.1)
    np.testing.assert_allclose(first.scores, 0.2, rtol=1e-6)
    np.testing.assert_allclose(first.keypoints[0, 0], [30, 31])


def test_rows_of_other_classes_are_left_out():
    arrays = tables("end to end", [person((4, 8, 20, 40), 0.9), person((30, 5, 60, 44), 0.5)])
    arrays["output0"][0, 0, 5] = 3
    found = decode_yolo_pose(
        arrays["output0"], YoloPoseFormat(end_to_end=True, person=0), 17, SIZE, 0.3
    )
    np.testing.assert_allclose(found.scores, [0.5])


@pytest.mark.parametrize(
    ("shape", "output_format", "says"),
    [
        ((1, 56, 10), RAW, None),
        ((1, 57, 10), RAW, r"\(1, 56, N\).*gives \(1, 57, 10\)"),
        ((1, 68, 10), RAW, "17 keypoints"),  # a hand's 21
        ((1, 56, 0), RAW, "expected"),
        ((2, 56, 10), RAW, "expected"),
        ((56, 10), RAW, "expected"),
        ((1, 10, 57), RAW, "end_to_end"),
        ((1, 10, 57), END_TO_END, None),
        ((1, 0, 57), END_TO_END, None),
        ((1, 10, 56), END_TO_END, r"\(1, N, 57\)"),
        ((2, 10, 57), END_TO_END, "expected"),
    ],
)
def test_the_table_is_held_to_the_skeleton(shape, output_format, says):
    output = np.zeros(shape, np.float32)
    if says is None:
        assert len(decode_yolo_pose(output, output_format, 17, SIZE, 0.3).scores) == 0
    else:
        with pytest.raises(ManifestError, match=says):
            decode_yolo_pose(output, output_format, 17, SIZE, 0.3)


@pytest.mark.parametrize(
    ("boxes", "points", "fits"),
    [
        ((1, 4, 5), (1, 4, 17, 3), True),
        ((1, 0, 5), (1, 0, 17, 3), True),
        ((1, 4, 17, 3), (1, 4, 5), False),
        ((1, 4, 5), (1, 3, 17, 3), False),
        ((1, 4, 5), (1, 4, 21, 3), False),
        ((2, 4, 5), (2, 4, 17, 3), False),
        ((1, 4, 6), (1, 4, 17, 3), False),
    ],
)
def test_rtmos_two_tables_are_held_to_each_other(boxes, points, fits):
    given = np.zeros(boxes, np.float32), np.zeros(points, np.float32)
    if fits:
        assert len(decode_rtmo(*given, 17, 0.3).scores) == 0
    else:
        with pytest.raises(ManifestError, match="expected"):
            decode_rtmo(*given, 17, 0.3)


@pytest.mark.parametrize("form", ["raw", "end to end", "rtmo"])
def test_scores_that_are_logits_are_refused(form):
    with pytest.raises(ManifestError, match=r"beyond 1.*sigmoid"):
        decoded(form, [person((4, 8, 20, 40), 3.5)])
    assert decoded(form, [person((4, 8, 20, 40), 1.0005)]).scores.max() == 1


def test_no_more_candidates_are_compared_than_can_be(monkeypatch):
    monkeypatch.setattr(one_stage, "MAX_CANDIDATES", 2)
    people = [person((4, 8, 20, 40), score) for score in (0.4, 0.9, 0.6)]
    np.testing.assert_allclose(decoded("raw", people).scores, [0.9, 0.6])
