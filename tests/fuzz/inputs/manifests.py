"""Manifests of all tasks and heads, inside a network that is as they say."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from litepose_edge import Estimator
from litepose_edge.manifest import (
    BottomUpSpec,
    Manifest,
    OneStageSpec,
    TopDownSpec,
    encode_manifest,
    parse_manifest,
)
from tests.fuzz import networks
from tests.fuzz.inputs.images import picture
from tests.fuzz.kinds import Answer, InputClass, answer_of
from tests.fuzz.mutations import mutate_json, strict_json

IMAGE = picture(96, 80)
BOXES = [[8.0, 8.0, 80.0, 72.0]]


def _documents() -> list[dict[str, Any]]:
    udp = {**networks.HEATMAPS, "alignment": "udp", "refinement": "dark-udp"}
    quarter = {**networks.HEATMAPS, "refinement": "quarter", "activation": "sigmoid"}
    oks = {**networks.HEATMAPS, "refinement": "expected-oks", "activation": "sigmoid"}
    models = [networks.topdown(heatmaps=h) for h in (networks.HEATMAPS, udp, quarter, oks)]
    models += [
        networks.topdown(simcc={"x": "sx", "y": "sy", "activation": "softmax", "window": 5}),
        networks.topdown(regression={"output": "r", "order": ["y", "x", "score"]}),
        {**networks.bottomup(), "max_join_distance": 0.3},
        networks.onestage({"kind": "yolo-pose"}, ["y"]),
        networks.onestage({"kind": "yolo-pose", "end_to_end": True, "person": 0}, ["g"]),
        {**networks.onestage({"kind": "rtmo"}, ["h", "k"]), "placement": "corner"},
        networks.detector("persondet", ["p"], [8]),
        networks.detector({"kind": "yolox", "activation": "sigmoid"}, ["t"], [8]),
        networks.detector({"kind": "rtmdet"}, ["q", "b"], [8]),
        networks.detector({"kind": "decoded", "columns": ["cx", "cy", "w", "h"]}, ["d", "e"], []),
    ]
    return [networks.document(model) for model in models]


def seeds() -> list[bytes]:
    """One manifest a task and head."""
    return [json.dumps(document).encode() for document in _documents()]


def mutate(rng: np.random.Generator, sound: list[bytes]) -> bytes:
    """Values, keys or text of one of them that are not as meant."""
    return mutate_json(rng, sound[int(rng.integers(len(sound)))], sound)


def _graph(manifest: Manifest) -> onnx.ModelProto:
    """All outputs that the seeds read; maps come from the image, tables are fixed."""
    rng = np.random.default_rng(3)
    if isinstance(manifest.model, BottomUpSpec):
        return networks.convolutions({"c": (34, 4), "f": (17, 2)}, free=True)
    joints = 17
    if isinstance(manifest.model, TopDownSpec) and manifest.model.heatmaps is not None:
        return networks.convolutions({"o": (joints, 4)}, free=True)
    tables = {
        "sx": (1, joints, 128), "sy": (1, joints, 128), "r": (1, joints, 3), "p": (1, 5, 8, 8),
        "t": (1, 64, 6), "q": (1, 1, 8, 8), "b": (1, 4, 8, 8), "d": (1, 9, 4), "e": (1, 9),
        "y": (1, 56, 84), "g": (1, 9, 57), "h": (1, 9, 5), "k": (1, 9, 17, 3),
    }  # fmt: skip
    arrays = {name: rng.uniform(0, 1, shape).astype(np.float32) for name, shape in tables.items()}
    arrays["d"] *= 40
    return networks.constants(arrays)


def run(path: Path) -> Answer:
    """Read it, put it into a network, predict, draw, write JSON."""
    text = path.read_bytes()
    manifest = parse_manifest(text)
    if encode_manifest(parse_manifest(encode_manifest(manifest))) != encode_manifest(manifest):
        return Answer("", "it reads its own text differently")
    model = path.with_suffix(".onnx")
    model.write_bytes(networks.with_manifest(_graph(manifest), text))
    return predict(model, manifest)


def predict(model: Path, manifest: Manifest) -> Answer:
    """The people that a model file finds, whatever its task."""
    match manifest.model:
        case TopDownSpec():
            with Estimator(model, detector=None, threads=1) as estimator:
                poses = estimator.predict(IMAGE, boxes_xyxy=BOXES)
        case BottomUpSpec() | OneStageSpec():
            with Estimator(model, detector=None, threads=1) as estimator:
                poses = estimator.predict(IMAGE)
        case _:
            pose = _pose_network(model.parent)
            with Estimator(pose, detector=model, threads=1, min_score=0.01) as estimator:
                poses = estimator.predict(IMAGE)
    poses.draw(IMAGE)
    json.loads(poses.to_json())
    return answer_of(poses)


@cache
def _pose_network(folder: Path) -> Path:
    """Finds keypoints in the boxes of the detectors."""
    file = folder / "pose.onnx"
    document = networks.document(networks.topdown(heatmaps=networks.HEATMAPS))
    file.write_bytes(networks.with_manifest(networks.convolutions({"o": (17, 4)}), document))
    return file


CLASS = InputClass(".json", seeds, mutate, run, strict_json)
