"""The contract inside model files."""

from __future__ import annotations

import json

import msgspec
import pytest

from litepose_edge import COCO_17, backends, manifest
from litepose_edge.backends import bundled
from litepose_edge.errors import LitePoseError, ManifestError
from litepose_edge.manifest import (
    BottomUpSpec,
    DecodedStyle,
    DetectorSpec,
    FastestdetStyle,
    GflStyle,
    HeatmapSpec,
    InputSpec,
    Manifest,
    RegressionSpec,
    RtmdetStyle,
    SimccSpec,
    TopDownSpec,
    YoloxStyle,
    style_name,
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
    document = json.loads(manifest.encode(a_manifest()))
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
    assert manifest.parse(manifest.encode(a_manifest())) == a_manifest()


def test_the_same_manifest_gives_the_same_bytes():
    assert manifest.encode(a_manifest()) == manifest.encode(
        msgspec.json.decode(manifest.encode(a_manifest()), type=Manifest)
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
        manifest.parse(text)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, LitePoseError)


def test_metadata_without_a_manifest_is_refused():
    with pytest.raises(ManifestError, match="carries no manifest"):
        manifest.from_metadata({"other": "x"}, "model.onnx")


@pytest.mark.parametrize(
    ("name", "precision"), [(name, p) for name in bundled.names() for p in bundled.precisions(name)]
)
def test_the_bundled_files_carry_their_contract(name, precision):
    contract = backends.find_model(name, precision=precision).manifest
    assert contract.name == name
    assert contract.precision == precision
    assert contract.training.data
    assert contract.training.licence


def detecting(style, outputs=("o",), strides=(8, 16, 32)) -> DetectorSpec:
    return DetectorSpec(style=style, outputs=outputs, fill=(0, 0, 0), max_iou=0.5, strides=strides)


SIX = ("a", "b", "c", "d", "e", "f")
MODELS = [
    detecting("persondet", ("a", "b", "c")),
    detecting(YoloxStyle(activation="sigmoid")),
    detecting(GflStyle(bins=17, cell_offset=0.0)),
    detecting(GflStyle(), SIX),
    detecting(RtmdetStyle(distances="strides"), SIX),
    detecting(FastestdetStyle(), strides=(16,)),
    detecting(DecodedStyle(columns=("cx", "cy", "w", "h"), unit="image"), strides=()),
    TopDownSpec(padding=1.2, skeleton=COCO_17, simcc=SimccSpec(x="x", y="y", window=7)),
    TopDownSpec(padding=1.2, skeleton=COCO_17, regression=RegressionSpec(output="o")),
    BottomUpSpec(coarse="c", fine="f", skeleton=COCO_17),
]


@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_model_is_read_back(model):
    contract = msgspec.structs.replace(a_manifest(), model=model)
    assert manifest.parse(manifest.encode(contract)) == contract
    assert manifest.output_names(contract)


def test_a_detector_of_ours_is_written_as_it_always_was():
    contract = msgspec.structs.replace(a_manifest(), model=MODELS[0])
    model = json.loads(manifest.encode(contract))["model"]
    assert model == {
        "task": "detector",
        "style": "persondet",
        "outputs": ["a", "b", "c"],
        "strides": [8, 16, 32],
        "fill": [0, 0, 0],
        "max_iou": 0.5,
    }


def test_styles_have_names():
    styles = ("persondet", YoloxStyle(), GflStyle(), RtmdetStyle(), FastestdetStyle())
    names = [style_name(style) for style in (*styles, DecodedStyle())]
    assert names == ["persondet", "yolox", "gfl", "rtmdet", "fastestdet", "decoded"]


def described(model: dict) -> str:
    document = json.loads(manifest.encode(a_manifest()))
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
        ({"style": {"kind": "yolov3"}}, "yolov3"),
        ({"style": {"kind": "gfl", "bins": 1}, "strides": [8]}, "bins"),
        ({"style": {"kind": "yolox"}}, "do not fit the style 'yolox'"),
        ({"style": {"kind": "rtmdet"}, "strides": [8, 16]}, "do not fit the style 'rtmdet'"),
        ({"style": "persondet", "strides": [8, 16]}, "do not fit the style 'persondet'"),
        ({"style": {"kind": "decoded", "columns": ["x1", "y1", "x2"]}}, "must hold"),
        ({"style": {"kind": "decoded", "columns": ["score"]}}, "must hold"),
        (
            {"style": {"kind": "decoded", "columns": [*("x1", "y1", "x2", "y2"), "x1"]}},
            "names one twice",
        ),
        (
            {
                "style": {
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
        manifest.parse(described(model))


def test_pixels_go_in_as_the_input_says():
    common = {"width": 4, "height": 3, "colour": "rgb", "mean": (0, 0, 0), "std": (1, 1, 1)}
    assert InputSpec(**common).shape == (3, 3, 4)
    assert InputSpec(**common, layout="nhwc").shape == (3, 4, 3)
    ours = InputSpec(**common, dtype="uint8")
    assert ours.shape == (3, 4, 3)
    assert ours.in_graph
    assert not InputSpec(**common, dtype="uint8", layout="nhwc").in_graph
