"""OpenVINO: the same ONNX files, precision always explicit."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from litepose_edge.backends.session import TensorSpec
from litepose_edge.errors import ModelError


class OpenVinoSession:
    """One network in OpenVINO on the CPU.

    Args:
        model: The ONNX file's bytes.
        threads: Threads inside one `run`.

    Raises:
        ModelError: The bytes are no model this OpenVINO can load.
    """

    def __init__(self, model: bytes, threads: int) -> None:
        # Left alone, OpenVINO computes in bfloat16 where the CPU has it.
        config = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            network = openvino.Core().read_model(io.BytesIO(model))
            self._metadata = _metadata(network)
            self._compiled: Any = openvino.Core().compile_model(network, "CPU", config)
        except RuntimeError as exc:
            raise ModelError(f"OpenVINO cannot load the model: {exc}") from exc
        (port,) = self._compiled.inputs
        shape = tuple(d.get_length() if d.is_static else "N" for d in port.get_partial_shape())
        self._input = TensorSpec(port.get_any_name(), shape, port.get_element_type().to_string())
        self._outputs = [output.get_any_name() for output in self._compiled.outputs]

    @property
    def input(self) -> TensorSpec:
        """Name, shape and dtype of the one input."""
        return self._input

    @property
    def metadata(self) -> dict[str, str]:
        """The file's custom metadata."""
        return self._metadata

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Outputs by name; safe to call from several threads."""
        if self._compiled is None:
            raise RuntimeError("the session is closed")
        # A request of its own: a shared one would serve one thread at a time.
        values = self._compiled.create_infer_request().infer([batch])
        return {name: np.array(values[i]) for i, name in enumerate(self._outputs)}

    def close(self) -> None:
        """Free the network; closing twice is fine."""
        self._compiled = None


def _metadata(network: Any) -> dict[str, str]:
    info = network.get_rt_info()
    if "framework" not in info:
        return {}
    framework = info["framework"]
    return {key: str(getattr(framework[key], "value", framework[key])) for key in framework}
