"""Sidecars: the manifests beside model files that were made elsewhere."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np

from litepose_edge.backends import find_model
from tests.fuzz import networks
from tests.fuzz.inputs.manifests import predict
from tests.fuzz.kinds import Answer, InputClass
from tests.fuzz.mutations import mutate_json, strict_json


@cache
def _model() -> bytes:
    """A network without a manifest."""
    return bytes(networks.convolutions({"o": (17, 4)}).SerializeToString())


def seeds() -> list[bytes]:
    """Sidecars that describe it."""
    quarter = {**networks.HEATMAPS, "refinement": "quarter", "activation": "sigmoid"}
    return [
        json.dumps(
            {
                "sha256": hashlib.sha256(_model()).hexdigest(),
                "manifest": networks.document(networks.topdown(heatmaps=head)),
            }
        ).encode()
        for head in (networks.HEATMAPS, quarter)
    ]


def mutate(rng: np.random.Generator, sound: list[bytes]) -> bytes:
    """Anything in one of them."""
    return mutate_json(rng, sound[int(rng.integers(len(sound)))], sound)


def run(path: Path) -> Answer:
    """Put it beside the network and predict."""
    model = path.with_name("theirs.onnx")
    model.write_bytes(_model())
    text = path.read_bytes()
    path.with_name("theirs.onnx.json").write_bytes(text)
    answer = predict(model, find_model(model).manifest)
    said = str(json.loads(text).get("sha256"))
    if said.lower() != hashlib.sha256(_model()).hexdigest():
        return Answer("", f"taken for a file of SHA-256 {said}")
    return answer


CLASS = InputClass(".json", seeds, mutate, run, strict_json)
