"""ONNX Runtime: sessions with explicit threads and without spinning."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from litepose_edge.backends import telemetry
from litepose_edge.backends.session import TensorSpec, outlive_forks
from litepose_edge.errors import ManifestError, ModelError, UnsupportedModelError

telemetry.silence_onnxruntime(onnxruntime)

# Metadata of files by `litepose-export portable`: graphs that take frames, for other languages.
PORTABLE_KEY = "litepose_edge_portable"
# ONNX Runtime's own exceptions share no base; besides them a bad model raises these.
_RAISED = (RuntimeError, ValueError)


class OnnxRuntimeSession:
    """One network in ONNX Runtime on the CPU.

    Args:
        model: The ONNX file's bytes.
        threads: Threads inside one `run`.

    Raises:
        ModelError: The bytes are no model this ONNX Runtime can load.
    """

    def __init__(self, model: bytes, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        # Spinning threads use a whole core between the frames of a camera.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:
            if not _from_onnxruntime(exc):
                raise
            raise ModelError(f"ONNX Runtime cannot load the model: {_first_line(exc)}") from exc
        try:
            self._input, self._outputs = self._ends()
        except UnicodeDecodeError as exc:
            self._session = None
            raise ModelError(f"expected names in UTF-8, the model's are not: {exc}") from exc
        except ModelError:
            self._session = None
            raise
        outlive_forks(self)

    def _ends(self) -> tuple[TensorSpec, tuple[str, ...]]:
        """The one input, and the names of the outputs."""
        inputs = self._session.get_inputs()
        if [given.name for given in inputs[:1]] == ["frame"] and PORTABLE_KEY in self.metadata:
            raise UnsupportedModelError(
                "this is a portable graph, which takes frames: run it with ONNX Runtime itself, "
                "or give the model file that it was made from"
            )
        if len(inputs) != 1:
            raise ModelError(f"expected a model with one input, got {len(inputs)}")
        only = TensorSpec(inputs[0].name, tuple(inputs[0].shape), inputs[0].type)
        return only, tuple(output.name for output in self._session.get_outputs())

    @property
    def input(self) -> TensorSpec:
        """Name, shape and dtype of the one input."""
        return self._input

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in the graph's order."""
        return self._outputs

    @property
    def metadata(self) -> dict[str, str]:
        """The file's custom metadata.

        Raises:
            ManifestError: They are not UTF-8.
        """
        try:
            metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        except UnicodeDecodeError as exc:
            raise ManifestError(f"expected metadata in UTF-8, the model's are not: {exc}") from exc
        return metadata

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Outputs by name; safe to call from several threads.

        Raises:
            ModelError: The network cannot take the batch, such as a size it has no answer for.
        """
        session = self._session  # another thread may close it meanwhile
        if session is None:
            raise RuntimeError("the session is closed")
        try:
            values = session.run(self._outputs, {self._input.name: batch})
        except Exception as exc:
            if not _from_onnxruntime(exc):
                raise
            raise ModelError(
                f"ONNX Runtime cannot run the model on {batch.shape}: {_first_line(exc)}"
            ) from exc
        return dict(zip(self._outputs, values, strict=True))

    def close(self) -> None:
        """Free the network; closing twice is fine."""
        self._session = None


def is_exact(probe: bytes) -> bool:
    """Whether U8S8 products of this CPU's kernels add up without saturating.

    Before VNNI, x86 kernels add pairs of products in 16 bits, where full-range weights
    overflow silently.

    Args:
        probe: A model whose output is 0 where the arithmetic is exact.
    """
    session = OnnxRuntimeSession(probe, threads=1)
    (difference,) = session.run(
        np.full([int(n) for n in session.input.shape], 255, np.float32)
    ).values()
    session.close()
    return bool(np.abs(difference).max() == 0)


def _from_onnxruntime(exc: Exception) -> bool:
    return isinstance(exc, _RAISED) or type(exc).__module__.startswith("onnxruntime")


def _first_line(exc: Exception) -> str:
    text = str(exc).strip()
    return text.splitlines()[0] if text else type(exc).__name__
