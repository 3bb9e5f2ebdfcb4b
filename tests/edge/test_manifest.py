"""The contract inside model files."""

from __future__ import annotations

import json

import msgspec
import pytest

from litepose_edge import COCO_17, backends, manifest
from litepose_edge.errors import LitePoseError, ManifestError
from litepose_edge.manifest import HeatmapSpec, InputSpec, Manifest, TopDownSpec


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


@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize("name", ["lrpose-s", "persondet"])
def test_the_bundled_files_carry_their_contract(name, precision):
    contract = backends.find_model(name, precision=precision).manifest
    assert contract.name == name
    assert contract.precision == precision
    assert contract.training.data
    assert contract.training.licence
