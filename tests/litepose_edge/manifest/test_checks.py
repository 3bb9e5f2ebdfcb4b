"""Bounds of manifests, and fields that must fit each other."""

from __future__ import annotations

import json

import msgspec
import pytest

from litepose_edge import COCO_17
from litepose_edge.backends import sidecar
from litepose_edge.backends.files import ModelFiles
from litepose_edge.errors import ManifestError
from litepose_edge.manifest import parse_manifest
from litepose_edge.skeletons import (
    AP10K_17,
    CROWDPOSE_14,
    HALPE_26,
    HAND_21,
    MPII_16,
    WHOLEBODY_133,
)

SKELETON = msgspec.to_builtins(COCO_17)
INPUT = {"width": 64, "height": 64, "colour": "rgb", "mean": [123.7, 116.3, 103.5]}
INPUT["std"] = [58.4, 57.1, 57.4]
HEATMAPS = {"output": "o", "activation": "linear", "alignment": "corner", "refinement": "dark"}
TOPDOWN = {"task": "topdown", "padding": 1.25, "skeleton": SKELETON, "heatmaps": HEATMAPS}
BOTTOMUP = {"task": "bottomup", "coarse": "c", "fine": "f", "skeleton": SKELETON}
DETECTOR = {"task": "detector", "fill": [1, 2, 3], "max_iou": 0.6, "outputs": ["a", "b"]}
DETECTOR |= {"strides": [8, 16], "output_format": "persondet"}


def text(model=TOPDOWN, **fields) -> str:
    document = {"schema": 1, "name": "x", "precision": "fp32", "input": INPUT, "model": model}
    return json.dumps(document | fields)


def posing(**skeleton) -> str:
    return text(TOPDOWN | {"skeleton": SKELETON | skeleton})


@pytest.mark.parametrize(
    "manifest",
    [
        text(),
        text(BOTTOMUP),
        text(DETECTOR),
        text().encode(),
        text(name="Größe 姿勢"),
        text(input=INPUT | {"width": 4096, "height": 1}),
        text(input=INPUT | {"mean": [0, 0, 0], "std": [255, 255, 255]}),
        text(TOPDOWN | {"padding": 1}),
        text(TOPDOWN | {"heatmaps": HEATMAPS | {"blur_kernel": 17}}),
        posing(bones=[]),
        posing(flip_pairs=[]),
        posing(flip_pairs=[[1, 2], [2, 1]]),
        *(
            text(TOPDOWN | {"skeleton": msgspec.to_builtins(skeleton)})
            for skeleton in (CROWDPOSE_14, MPII_16, HALPE_26, HAND_21, AP10K_17, WHOLEBODY_133)
        ),
    ],
)
def test_a_sound_manifest_is_read(manifest):
    assert parse_manifest(manifest).schema == 1


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (posing(bones=[[0, 99]]), "bones"),
        (posing(bones=[[0, -3]]), "bones"),
        (posing(flip_pairs=[[0, 17]]), "flip_pairs"),
        (posing(flip_pairs=[[0, 1], [1, 2]]), "second partner"),
        (posing(flip_pairs=[[0, 1], [2, 1]]), "second partner"),
        (posing(oks_sigmas=[0.1] * 3), "17 numbers"),
        (posing(oks_sigmas=[0.0] * 17), "oks_sigmas"),
        (posing(oks_sigmas=[-0.1] * 17), "oks_sigmas"),
        (posing(oks_sigmas=[1e300] * 17), "oks_sigmas"),
        (posing(keypoint_names=["a"] * 17), "17 times"),
        (posing(keypoint_names=["", *map(str, range(16))]), "empty name"),
        (posing(keypoint_names=[], bones=[], flip_pairs=[], oks_sigmas=[]), "1 to 1000"),
        (text(input=INPUT | {"std": [0.0, 1, 1]}), "std"),
        (text(input=INPUT | {"std": [-1, 1, 1]}), "std"),
        (text(input=INPUT | {"std": [1e308] * 3}), "std"),
        (text(input=INPUT | {"mean": [1e39] * 3}), "mean"),
        (text(input=INPUT | {"width": 100_000}), "width"),
        (text(input=INPUT | {"height": 2**62}), "height"),
        (text(TOPDOWN | {"padding": 1e30}), "padding"),
        (text(TOPDOWN | {"heatmaps": HEATMAPS | {"blur_kernel": 10}}), "odd"),
        (text(TOPDOWN | {"heatmaps": HEATMAPS | {"blur_kernel": 100_001}}), "blur_kernel"),
        (text(BOTTOMUP | {"nms_kernel": 4}), "odd"),
        (text(BOTTOMUP | {"nms_kernel": 10_001}), "nms_kernel"),
        (text(BOTTOMUP | {"max_people": 10**18}), "max_people"),
        (text(BOTTOMUP | {"long_side_multiple": 10**6}), "long_side_multiple"),
        (text(BOTTOMUP | {"fine": "c"}), "two outputs"),
        (text(DETECTOR | {"outputs": ["a", "a"]}), "2 times"),
        (text(DETECTOR | {"fill": [1, 2, 300]}), "fill"),
        (text(DETECTOR | {"strides": [8, 10**9]}), "strides"),
        (text(DETECTOR | {"output_format": {"kind": "decoded", "transposed": ["z"]}}), "'z'"),
        (text(name="y" * 2_000_000), "at most"),
        (text().replace("1.25", "NaN"), "invalid"),
        (text()[:-1] + ', "name": "second"}', "'name' is there 2 times"),
        ('{"schema": 1, "x": ' + "[" * 200_000 + "]" * 200_000 + "}", "deeply"),
        (b'{"schema": 1, "name": "\xff\xfe"}', "UTF-8"),
        ('{"schema": 1, "name": "\ud800"}', "UTF-8"),
    ],
)
def test_a_manifest_that_nothing_can_come_of_is_refused(manifest, says):
    with pytest.raises(ManifestError, match=says):
        parse_manifest(manifest)


@pytest.mark.parametrize(
    "content", [b"[" * 200_000, b'{"sha256": "\xff"}', b" " * 2_000_000, b'{"a": 1, "a": 2}']
)
def test_a_sidecar_is_held_to_the_same_bounds(tmp_path, content):
    path = tmp_path / "net.onnx"
    sidecar.path_of(path).write_bytes(content)
    with pytest.raises(ManifestError, match="does not describe a model"):
        sidecar.read(ModelFiles(path, b""))


def test_a_reason_is_a_line_however_long_the_files_own_text_is():
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text(**{"x" * 100_000: 1}))
    assert len(str(caught.value)) < 400
