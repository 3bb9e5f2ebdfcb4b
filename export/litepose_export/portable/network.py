"""A network as it is, inside another graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
from onnx import compose, helper, inliner, version_converter

from litepose_edge import backends
from litepose_edge.backends import bundled
from litepose_edge.backends.signed_activations import with_signed_activations
from litepose_edge.manifest import (
    METADATA_KEY,
    Manifest,
    manifest_from_metadata,
    output_names,
)
from litepose_export.conversion.modern_graph import modernize
from litepose_export.conversion.onnx_file import read_onnx
from litepose_export.errors import ExportError, UnsupportedOpError
from litepose_export.portable.graph import OPSET, GraphWriter

Target = Literal["x86", "arm"]
PREFIX = "network/"
DETECTOR_PREFIX = "detector/"


@dataclass(frozen=True, slots=True)
class Network:
    """A network that is ready to be put into a graph.

    Attributes:
        path: The file it came from.
        manifest: What it says about itself.
        model: With names that nothing around it has.
        shapes: Of the outputs that decoding reads, for one item, without the batch's axis.
        plain: The network as it was, as bytes.
        prefix: What its names begin with.
    """

    path: Path
    manifest: Manifest
    model: onnx.ModelProto
    shapes: list[tuple[int, ...]]
    plain: bytes
    prefix: str = PREFIX

    @property
    def free_size(self) -> bool:
        """Whether the input's height and width are not fixed."""
        axes = self.model.graph.input[0].type.tensor_type.shape.dim
        rows, columns = (1, 2) if self.manifest.input.channels_last else (2, 3)
        return len(axes) == 4 and not (axes[rows].dim_value or axes[columns].dim_value)

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return next(o.version for o in self.opsets if o.domain == "")

    @property
    def opsets(self) -> list[onnx.OperatorSetIdProto]:
        """The operator sets that it needs, ONNX's own raised to what is written around it."""
        used = {"", *(node.domain for node in _nodes(self.model.graph))} - {"ai.onnx"}
        found = {("" if o.domain == "ai.onnx" else o.domain): o for o in self.model.opset_import}
        return [
            helper.make_opsetid(domain, found[domain].version)
            for domain in sorted(used)
            if domain in found
        ]

    def write(self, graph: GraphWriter, batch: str) -> list[str]:
        """Its nodes and weights go into a graph; the names of its outputs come back.

        Args:
            graph: Where it goes, once.
            batch: Its input.
        """
        graph.name(batch, self.model.graph.input[0].name)
        graph.nodes.extend(self.model.graph.node)
        graph.constants.extend(self.model.graph.initializer)
        return [f"{self.prefix}{name}" for name in output_names(self.manifest)]


def load(
    model: str | Path,
    *,
    precision: backends.Precision | None = None,
    prefix: str = PREFIX,
    opset: int = OPSET,
    target: Target = "x86",
) -> Network:
    """Read a network: bundled, of ours or of others.

    Args:
        model: A bundled name, or the path of an ONNX file with a manifest.
        precision: Of a bundled one.
        prefix: What its names shall begin with.
        opset: Of ONNX's operators, at least.
        target: The processor it is for: INT8 files of ours get signed activations for `"arm"`.

    Raises:
        ModelError: It cannot be read.
        UnsupportedOpError: Its operators have no recent form.
        ExportError: It is no network of one input.
    """
    if isinstance(model, str) and bundled.is_name(model):
        path = backends.find_model(model, precision=precision).path
    else:
        path = Path(model)
        if precision is not None:
            raise ExportError(f"the precision of {path} is its own: leave `precision` out")
    stored, manifest = read_onnx(path)
    if target == "arm":
        stored, manifest = _for_arm(stored, manifest, path)
    graph = _raised(inliner.inline_local_functions(modernize(stored)), path, opset)
    if len(graph.graph.input) != 1:
        raise ExportError(f"expected a network of one input, {path} has {len(graph.graph.input)}")
    shapes = _output_shapes(graph, manifest, path)
    del graph.graph.value_info[:]
    named = compose.add_prefix(graph, prefix)
    return Network(path, manifest, named, shapes, stored.SerializeToString(), prefix)


def _for_arm(
    model: onnx.ModelProto, manifest: Manifest, path: Path
) -> tuple[onnx.ModelProto, Manifest]:
    """As the runtime reads the file on ARM; others than INT8 files of ours stay as they are."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if METADATA_KEY not in metadata:
        return model, manifest
    signed = onnx.load_model_from_string(with_signed_activations(model.SerializeToString()))
    metadata = {entry.key: entry.value for entry in signed.metadata_props}
    return signed, manifest_from_metadata(metadata, path)


def _raised(model: onnx.ModelProto, path: Path, opset: int) -> onnx.ModelProto:
    version = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    if version >= opset:
        return model
    try:
        raised: onnx.ModelProto = version_converter.convert_version(model, opset)
    except (RuntimeError, ValueError) as exc:
        reason = (str(exc).splitlines() or [type(exc).__name__])[0][:300]
        raise UnsupportedOpError(
            f"{path} is of opset {version} and cannot be raised to {opset}: {reason}; export it "
            f"again with opset_version={opset}"
        ) from exc
    return raised


def _output_shapes(model: onnx.ModelProto, manifest: Manifest, path: Path) -> list[tuple[int, ...]]:
    """Of one item: by running it, which also shows that it can."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    spec, names = manifest.input, output_names(manifest)
    try:
        session: Any = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        given = np.zeros((1, *spec.shape), spec.dtype)
        found = session.run(list(names), {session.get_inputs()[0].name: given})
    except Exception as exc:
        if not type(exc).__module__.startswith("onnxruntime") and not isinstance(
            exc, RuntimeError | ValueError
        ):
            raise
        reason = (str(exc).splitlines() or [type(exc).__name__])[0][:300]
        raise ExportError(
            f"ONNX Runtime cannot run {path} on {(1, *spec.shape)} {spec.dtype}, what its manifest "
            f"says it takes: {reason}"
        ) from exc
    return [tuple(values.shape[1:]) for values in found]


def _nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """All nodes, those of bodies as well."""
    found = []
    for node in graph.node:
        found.append(node)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                found += _nodes(attribute.g)
    return found
