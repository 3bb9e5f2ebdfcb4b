"""Small graphs and networks for what `portable` writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litepose_edge.manifest import (
    HeatmapSpec,
    InputSpec,
    Manifest,
    QuantizationSpec,
    RegressionSpec,
    SimccSpec,
    TopDownSpec,
)
from litepose_edge.skeletons import Skeleton

WIDTH, HEIGHT = 48, 64


def skeleton(joints: int) -> Skeleton:
    names = tuple(f"joint_{i}" for i in range(joints))
    return Skeleton(
        name="drawn",
        keypoint_names=names,
        bones=(),
        flip_pairs=(),
        oks_sigmas=tuple(0.03 + 0.002 * i for i in range(joints)),
    )


@pytest.fixture
def evaluate() -> Callable[..., list[np.ndarray]]:
    """Runs operators: `evaluate(write, given)`, where `write(graph)` returns names of results."""
    onnx = pytest.importorskip("onnx")
    import onnxruntime

    from litepose_export.portable.graph import OPSET, GraphWriter, tensor

    def run(write: Callable[[Any], list[str]], given: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        graph = GraphWriter()
        found = write(graph)
        results = [f"result_{i}" for i in range(len(found))]
        for value, name in zip(found, results, strict=True):
            graph.name(value, name)
        shapes = {n: tuple(f"{n}_{i}" for i in range(v.ndim)) for n, v in given.items()}
        inputs = [tensor(name, value.dtype, shapes[name]) for name, value in given.items()]
        outputs = [onnx.ValueInfoProto(name=name) for name in results]
        model = onnx.helper.make_model(
            graph.graph("test", inputs, outputs),
            opset_imports=[onnx.helper.make_opsetid("", OPSET)],
            ir_version=8,
        )
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        return session.run(None, dict(given))

    return run


class TinyNetworks:
    """Networks of a few nodes, in files with a manifest: their answers follow the pixels."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def heatmaps(self, joints: int = 21, *, int8: bool = False, **head: Any) -> Path:
        """One convolution with weights of its own a joint."""
        rng = np.random.default_rng(joints)
        weights = rng.normal(0, 0.2, (joints, 3, 8, 8)).astype(np.float32)
        nodes, constants = [], {"weights": weights}
        if int8:
            scale = np.abs(weights).max() / 127
            constants = {
                "codes": np.round(weights / scale).astype(np.int8),
                "scale": np.float32(scale),
                "zero": np.int8(0),
                "in_scale": np.float32(0.02),
                "in_zero": np.uint8(128),
            }
            nodes = [
                ("QuantizeLinear", ["image", "in_scale", "in_zero"], ["in_codes"], {}),
                ("DequantizeLinear", ["in_codes", "in_scale", "in_zero"], ["again"], {}),
                ("DequantizeLinear", ["codes", "scale", "zero"], ["weights"], {}),
            ]
        source = "again" if int8 else "image"
        stride = {"strides": [4, 4], "pads": [2, 2, 2, 2]}
        nodes.append(("Conv", [source, "weights"], ["maps"], stride))
        head = {"activation": "sigmoid", "alignment": "centre", "refinement": "dark", **head}
        spec = TopDownSpec(
            padding=1.25, skeleton=skeleton(joints), heatmaps=HeatmapSpec(output="maps", **head)
        )
        return self._store(f"maps-{joints}", nodes, constants, spec, ["maps"], int8=int8)

    def simcc(self, joints: int = 17, **head: Any) -> Path:
        """Rows and columns of a convolution, spread over bins."""
        rng = np.random.default_rng(3)
        constants = {
            "weights": rng.normal(0, 0.05, (joints, 3, 8, 8)).astype(np.float32),
            "to_x": rng.normal(0, 1, (WIDTH // 8, WIDTH * 2)).astype(np.float32),
            "to_y": rng.normal(0, 1, (HEIGHT // 8, HEIGHT * 2)).astype(np.float32),
            "rows": np.array([2], np.int64),
            "columns": np.array([3], np.int64),
        }
        flat = {"keepdims": 0}
        nodes = [
            ("Conv", ["image", "weights"], ["maps"], {"strides": [8, 8]}),
            ("ReduceMean", ["maps", "rows"], ["across"], flat),
            ("ReduceMean", ["maps", "columns"], ["down"], flat),
            ("MatMul", ["across", "to_x"], ["x"], {}),
            ("MatMul", ["down", "to_y"], ["y"], {}),
        ]
        spec = TopDownSpec(
            padding=1.25, skeleton=skeleton(joints), simcc=SimccSpec(x="x", y="y", **head)
        )
        return self._store("simcc", nodes, constants, spec, ["x", "y"])

    def means(self, source: str = "float32 nchw rgb", **head: Any) -> Path:
        """The mean of each channel of a crop, as if it were one keypoint: x, y, score."""
        dtype, layout, colour = source.split()
        planes = layout == "nchw" and dtype == "float32"
        cast = [("Cast", ["image"], ["values"], {"to": 1})]
        axes = {"axes": np.array([2, 3] if planes else [1, 2], np.int64)}
        nodes = [
            *cast,
            ("ReduceMean", ["values", "axes"], ["mean"], {"keepdims": 0}),
            ("Unsqueeze", ["mean", "joint"], ["table"], {}),
        ]
        spec = TopDownSpec(
            padding=1.0,
            skeleton=skeleton(1),
            regression=RegressionSpec(
                output="table", **{"order": ("x", "y", "score"), "unit": "pixels", **head}
            ),
        )
        given = {"colour": colour, "dtype": dtype, "layout": layout}
        constants = {**axes, "joint": np.array([1], np.int64)}
        return self._store("means", nodes, constants, spec, ["table"], given=given)

    def _store(
        self,
        name: str,
        nodes: list[tuple[str, list[str], list[str], dict[str, Any]]],
        constants: dict[str, Any],
        spec: TopDownSpec,
        outputs: list[str],
        *,
        int8: bool = False,
        given: dict[str, Any] | None = None,
    ) -> Path:
        import onnx

        from litepose_export.conversion.storage import store

        statistics = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        if given is None:
            statistics = (120.0, 115.0, 100.0), (58.0, 57.0, 56.0)
        wanted = InputSpec(
            width=WIDTH,
            height=HEIGHT,
            mean=statistics[0],
            std=statistics[1],
            **(given or {"colour": "rgb"}),
        )
        manifest = Manifest(
            schema=1,
            name=name,
            precision="int8" if int8 else "fp32",
            input=wanted,
            model=spec,
            quantization=QuantizationSpec(scheme="other", method="by hand", calibration_images=0)
            if int8
            else None,
        )
        rank = 4 if spec.heatmaps else 3
        kind = onnx.TensorProto.UINT8 if wanted.dtype == "uint8" else onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node(op, i, o, **more) for op, i, o, more in nodes],
            name,
            [onnx.helper.make_tensor_value_info("image", kind, ["N", *wanted.shape])],
            [
                onnx.helper.make_tensor_value_info(o, onnx.TensorProto.FLOAT, [None] * rank)
                for o in outputs
            ],
            [onnx.numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()],
        )
        model = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10
        )
        path = self._folder / f"{name}.onnx"
        store(model, manifest, path)
        return path


@pytest.fixture
def tiny(tmp_path: Path) -> TinyNetworks:
    return TinyNetworks(tmp_path)


@pytest.fixture(scope="session")
def opened() -> Callable[[Path], Any]:
    """Opens a portable file in ONNX Runtime alone, as any language would."""
    import onnxruntime

    def open_file(path: Path) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    return open_file
