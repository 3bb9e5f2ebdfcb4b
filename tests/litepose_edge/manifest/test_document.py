"""The manifest inside model files."""

from __future__ import annotations

import json

import msgspec
import pytest

from litepose_edge import COCO_17, backends
from litepose_edge.backends import bundled
from litepose_edge.errors import LitePoseError, ManifestError
from litepose_edge.manifest import (
    BottomUpSpec,
    DecodedFormat,
    DetectorSpec,
    FastestdetFormat,
    GflFormat,
    HeatmapSpec,
    InputSpec,
    Manifest,
    RegressionSpec,
    RtmdetFormat,
    SimccSpec,
    TopDownSpec,
    YoloxFormat,
    encode_manifest,
    format_name,
    manifest_from_metadata,
    output_names,
    parse_manifest,
)


def a_manifest() -> Manifest:
    return Manifest(
        schema=1,
        name="test",
        precision="fp32",
        input=InputSpec(
            width=192, height=256, colour="rgb", mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)
        ),
        model=TopDownSpec(
            padding=1.25,
            heatmaps=HeatmapSpec(
                output="heatmaps", activation="sigmoid", alignment="centre", refinement="dark"
            ),
            skeleton=COCO_17,
        ),
    )


def changed(**changes) -> str:
    document = json.loads(encode_manifest(a_manifest()))
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = document
        for parent in parents:
            place = place[parent]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return json.dumps(document)


def test_what_is_encoded_is_read_back():
    assert parse_manifest(encode_manifest(a_manifest())) == a_manifest()


def test_the_same_manifest_gives_the_same_bytes():
    assert encode_manifest(a_manifest()) == encode_manifest(
        msgspec.json.decode(encode_manifest(a_manifest()), type=Manifest)
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a litepose-edge manifest"),
        ("{}", "not a litepose-edge manifest"),
        ("[1]", "not a litepose-edge manifest"),
        (changed(schema=2), "schema 2"),
        (changed(name=...), "name"),
        (changed(colour="rgb"), "colour"),
        (changed(input__colour="rbg"), "rbg"),
        (changed(input__width=0), "width"),
        (changed(input__mean=[1, 2]), "mean"),
        (changed(model__task="segmentation"), "segmentation"),
        (changed(model__padding="big"), "padding"),
        (changed(precision="int8"), "quantization"),
    ],
)
def test_a_wrong_manifest_is_refused_with_the_reason(text, says):
    with pytest.raises(ManifestError, match=says) as caught:
        parse_manifest(text)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, LitePoseError)


def test_metadata_without_a_manifest_is_refused():
    with pytest.raises(ManifestError, match="carries no manifest"):
        manifest_from_metadata({"other": "x"}, "model.onnx")


@pytest.mark.parametrize(
    ("name", "precision"), [(name, p) for name in bundled.names() for p in bundled.precisions(name)]
)
def test_the_bundled_files_carry_their_contract(name, precision):
    manifest = backends.find_model(name, precision=precision).manifest
    assert manifest.name == name
    assert manifest.precision == precision
    assert manifest.training.data
    assert manifest.training.licence


def detecting(output_format, outputs=("o",), strides=(8, 16, 32)) -> DetectorSpec:
    return DetectorSpec(
        output_format=output_format, outputs=outputs, fill=(0, 0, 0), max_iou=0.5, strides=strides
    )


SIX = ("a", "b", "c", "d", "e", "f")
MODELS = [
    detecting("persondet", ("a", "b", "c")),
    detecting(YoloxFormat(activation="sigmoid")),
    detecting(GflFormat(bins=17, cell_offset=0.0)),
    detecting(GflFormat(), SIX),
    detecting(RtmdetFormat(distances="strides"), SIX),
    detecting(FastestdetFormat(), strides=(16,)),
    detecting(DecodedFormat(columns=("cx", "cy", "w", "h"), unit="image"), strides=()),
    TopDownSpec(padding=1.2, skeleton=COCO_17, simcc=SimccSpec(x="x", y="y", window=7)),
    TopDownSpec(padding=1.2, skeleton=COCO_17, regression=RegressionSpec(output="o")),
    BottomUpSpec(coarse="c", fine="f", skeleton=COCO_17),
]


@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_model_is_read_back(model):
    manifest = msgspec.structs.replace(a_manifest(), model=model)
    assert parse_manifest(encode_manifest(manifest)) == manifest
    assert output_names(manifest)


def test_a_detector_of_ours_is_written_as_it_always_was():
    manifest = msgspec.structs.replace(a_manifest(), model=MODELS[0])
    model = json.loads(encode_manifest(manifest))["model"]
    assert model == {
        "task": "detector",
        "output_format": "persondet",
        "outputs": ["a", "b", "c"],
        "strides": [8, 16, 32],
        "fill": [0, 0, 0],
        "max_iou": 0.5,
    }


def test_styles_have_names():
    styles = ("persondet", YoloxFormat(), GflFormat(), RtmdetFormat(), FastestdetFormat())
    names = [format_name(output_format) for output_format in (*styles, DecodedFormat())]
    assert names == ["persondet", "yolox", "gfl", "rtmdet", "fastestdet", "decoded"]


def described(model: dict) -> str:
    document = json.loads(encode_manifest(a_manifest()))
    skeleton = document["model"]["skeleton"]
    if model.get("task") == "topdown":
        model = {"padding": 1.25, "skeleton": skeleton, **model}
    else:
        model = {"task": "detector", "fill": [0, 0, 0], "max_iou": 0.5, "outputs": ["o"], **model}
    document["model"] = model
    return json.dumps(document)


REGRESSION = {"output": "o"}


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"task": "topdown"}, "exactly one"),
        ({"task": "topdown", "regression": REGRESSION, "simcc": {"x": "x", "y": "y"}}, "exactly"),
        ({"task": "topdown", "regression": {"output": "o", "order": ["x", "x", "y"]}}, "once each"),
        ({"task": "topdown", "simcc": {"x": "x", "y": "y", "window": 4}}, "odd"),
        ({"output_format": {"kind": "yolov3"}}, "yolov3"),
        ({"output_format": {"kind": "gfl", "bins": 1}, "strides": [8]}, "bins"),
        ({"output_format": {"kind": "yolox"}}, "do not fit the style 'yolox'"),
        (
            {"output_format": {"kind": "rtmdet"}, "strides": [8, 16]},
            "do not fit the style 'rtmdet'",
        ),
        ({"output_format": "persondet", "strides": [8, 16]}, "do not fit the style 'persondet'"),
        ({"output_format": {"kind": "decoded", "columns": ["x1", "y1", "x2"]}}, "must hold"),
        ({"output_format": {"kind": "decoded", "columns": ["score"]}}, "must hold"),
        (
            {"output_format": {"kind": "decoded", "columns": [*("x1", "y1", "x2", "y2"), "x1"]}},
            "names one twice",
        ),
        (
            {
                "output_format": {
                    "kind": "decoded",
                    "columns": [*("x1", "y1", "x2", "y2"), *("cx", "cy", "w", "h")],
                }
            },
            "not both",
        ),
    ],
)
def test_a_model_that_contradicts_itself_is_refused(model, says):
    with pytest.raises(ManifestError, match=says):
        parse_manifest(described(model))


def test_pixels_go_in_as_the_input_says():
    common = {"width": 4, "height": 3, "colour": "rgb", "mean": (0, 0, 0), "std": (1, 1, 1)}
    assert InputSpec(**common).shape == (3, 3, 4)
    assert InputSpec(**common, layout="nhwc").shape == (3, 4, 3)
    ours = InputSpec(**common, dtype="uint8")
    assert ours.shape == (3, 4, 3)
    assert ours.in_graph
    assert not InputSpec(**common, dtype="uint8", layout="nhwc").in_graph
