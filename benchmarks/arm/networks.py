"""Which networks are counted, and what of their files decides the counts."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.paths import ROOT, SHARED
from litepose_edge.backends import bundled
from litepose_edge.backends.protobuf import BYTES, VARINT, fields, varint

Kind = Literal["pose", "detector", "network", "graph"]
WEIGHTS = ROOT / "export" / "weights"
PEERS = SHARED / "peers"
DETECTOR = "persondet"
# Third-party networks that ONNX Runtime reads.
PEER_FILES = {
    "Ultralight-SimplePose": "pose/ultralight_simplepose_256x192.onnx",
    "YOLOX-nano": "detect/yolox_nano_416.onnx",
    "FastestDet": "detect/fastestdet_352.onnx",
    "RTMDet-nano": "detect/rtmdet_nano_person_640.onnx",
}
# Numbers of fields: of a model, a graph, a tensor.
GRAPH, INITIALIZER = 7, 5
DATA_TYPE, INT64 = 2, 7
VALUES = (4, 5, 9, 10, 11)  # the fields that hold a tensor's values


@dataclass(frozen=True, slots=True)
class Network:
    """A file to count.

    Attributes:
        name: What tables call it.
        precision: `"fp32"`, `"int8"`, or `"int8-x86"`: the INT8 file as it is, on ARM.
        kind: `"pose"` and `"detector"` run whole pipelines, `"network"` alone; so does `"graph"`,
            whose inputs may be several, and codes.
        path: The file.
        structure: Of its graph: see `structure_of`.
    """

    name: str
    precision: str
    kind: Kind
    path: str
    structure: str

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name."""
        return asdict(self)


def released_networks() -> list[Network]:
    """Every released network in each precision that this checkout has a file of."""
    found = []
    for name in bundled.names():
        kind: Kind = "detector" if name == DETECTOR else "pose"
        for precision in ("fp32", "int8"):
            file = f"{name}.{precision}.onnx"
            places = [folder / file for folder in (bundled.FOLDER, WEIGHTS)]
            found += [_network(name, precision, kind, path) for path in places if path.exists()]
        unsigned = bundled.FOLDER / f"{name}.int8.onnx"
        found.append(_network(name, "int8-x86", "network", unsigned))
    # Detectors of free size have no size of their own to be run at alone.
    return [n for n in found if not (n.name == DETECTOR and n.kind == "network")]


def peers(quantized: Path) -> list[Network]:
    """Third-party networks that lie beside the checkout, and what was made of them in a folder."""
    found = []
    for name, file in PEER_FILES.items():
        path = PEERS / file
        int8, newer = (quantized / f"{path.stem}.{kind}.onnx" for kind in ("int8", "fp32"))
        path = newer if newer.exists() else path
        found += [
            _network(name, precision, "network", each)
            for precision, each in (("fp32", path), ("int8", int8))
            if each.exists()
        ]
    return found


def structure_of(content: bytes) -> str:
    """SHA-256 of an ONNX graph without its weights, its names and shapes included.

    New weights of the same network run the same instructions; another layer, or a layer that is
    float now, does not.
    """
    digest = hashlib.sha256()
    message = memoryview(content)
    for field, _, _, body, end in fields(message):
        if field == GRAPH:
            graph = message[body:end]
            for part, wire, start, begin, stop in fields(graph):
                if part == INITIALIZER and wire == BYTES:
                    digest.update(_without_values(graph[begin:stop]))
                else:
                    digest.update(graph[start:stop])
    return digest.hexdigest()


def _without_values(tensor: memoryview) -> bytes:
    """A tensor's name, type and shape; of 64-bit integers, which are shapes, the values too."""
    kept: list[bytes] = []
    values: list[bytes] = []
    data_type = 0
    for field, wire, start, body, end in fields(tensor):
        if field == DATA_TYPE and wire == VARINT:
            data_type = varint(tensor, body)[0]
        (values if field in VALUES else kept).append(bytes(tensor[start:end]))
    return b"".join(kept + (values if data_type == INT64 else []))


def _network(name: str, precision: str, kind: Kind, path: Path) -> Network:
    return Network(name, precision, kind, str(path), structure_of(path.read_bytes()))
