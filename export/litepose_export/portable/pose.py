"""A top-down pose network with everything around it: frame and boxes in, keypoints out."""

from __future__ import annotations

import numpy as np
import onnx

from litepose_edge.manifest import TopDownSpec
from litepose_export.portable import crop, decode
from litepose_export.portable.graph import GraphWriter, tensor
from litepose_export.portable.network import Network

BOXES, FRAME = "boxes_xyxy", "frame"
KEYPOINTS, POSE_SCORES = "keypoints", "pose_scores"


def pose_graph(network: Network, spec: TopDownSpec, channels: str) -> onnx.GraphProto:
    """`frame` `(H, W, C)` uint8 and `boxes_xyxy` `(P, 4)` to `keypoints` and `pose_scores`.

    Args:
        network: The pose network.
        spec: Its task.
        channels: Order of the frame's channels.
    """
    graph = GraphWriter()
    size = crop.frame_size(graph, FRAME)
    keypoints, scores, valid = poses_in(graph, network, spec, channels, size, BOXES)
    keypoints = decode.reported(graph, keypoints, spec.score_calibration)
    zero, axis = graph.number(0), graph.whole(1)
    good = graph.add("Unsqueeze", valid, axis)
    graph.name(graph.add("Where", good, keypoints, zero), KEYPOINTS)
    good = graph.add("Squeeze", valid, axis)
    graph.name(graph.add("Where", good, scores, zero), POSE_SCORES)
    return graph.graph(
        f"portable_{network.manifest.name}",
        [
            tensor(FRAME, np.uint8, ("H", "W", len(channels))),
            tensor(BOXES, np.float32, ("P", 4)),
        ],
        [
            tensor(KEYPOINTS, np.float32, ("P", len(spec.skeleton), 3)),
            tensor(POSE_SCORES, np.float32, ("P",)),
        ],
    )


def poses_in(
    graph: GraphWriter,
    network: Network,
    spec: TopDownSpec,
    channels: str,
    frame_size: str,
    boxes: str,
) -> tuple[str, str, str]:
    """Keypoints `(P, K, 3)` in frame pixels, with scores as decoded, and pose scores `(P,)`.

    The third is `(P, 1)` bool: whether a box is one, and holds anything of the frame.

    The network runs once a person inside a Loop: a batch takes longer on a CPU, and a network
    that was exported for one crop at a time fits as well.

    Args:
        graph: Where it is written.
        network: The pose network.
        spec: Its task.
        channels: Order of the frame's channels.
        frame_size: `(2,)` double.
        boxes: `(P, 4)` float32.
    """
    size = network.manifest.input.size
    view = crop.views(graph, boxes, frame_size, size, spec.padding)
    found = _people(graph, network, spec, view, channels, boxes)
    points, scores = graph.columns(found, 0, 2), graph.columns(found, 2, 3)
    keypoints = graph.add("Concat", crop.to_frame(graph, points, view), scores, axis=2)
    return keypoints, decode.pose_scores(graph, scores), view.valid


def _people(
    graph: GraphWriter,
    network: Network,
    spec: TopDownSpec,
    view: crop.Views,
    channels: str,
    boxes: str,
) -> str:
    """`(P, K, 3)`, each person's keypoints in input pixels and their scores."""
    taken, joints = network.manifest.input, len(spec.skeleton)
    body = GraphWriter("person/")
    number, going, still = "person/number", "person/going", "person/still"
    planes = crop.planes(body, crop.cut(body, number, FRAME, view, len(channels)), taken, channels)
    planes = crop.resized(body, planes, body.whole(taken.height, taken.width))
    outputs = network.write(body, crop.batch(body, planes, taken))
    outputs = [body.cast(output, np.float32) for output in outputs]
    # Decoded here, one by one: operators that have no people to work on fail in some versions.
    points, scores = decode.decode(body, outputs, spec, network.shapes, taken.size)
    row = body.add("Squeeze", body.add("Concat", points, scores, axis=2), body.whole(0))
    body.name(going, still)
    loop = body.graph(
        "person",
        [tensor(number, np.int64, ()), tensor(going, np.bool_, ())],
        [tensor(still, np.bool_, ()), tensor(row, np.float32, (joints, 3))],
    )
    people = graph.add("Squeeze", graph.add("Shape", boxes, start=0, end=1), graph.whole(0))
    return graph.add("Loop", people, "", body=loop)
