"""OpenVINO: ONNX, IR and tflite files; precision always explicit, compiled networks kept."""

from __future__ import annotations

import io
import logging
import os
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.backends import openvino_cache
from litepose_edge.backends.files import ModelFiles
from litepose_edge.backends.session import TensorSpec, outlive_forks
from litepose_edge.backends.telemetry import no_openvino_telemetry
from litepose_edge.errors import ManifestError, ModelError
from litepose_edge.threads import available_threads

with no_openvino_telemetry():
    import openvino

log = logging.getLogger(__name__)

# Each stream keeps buffers of its own; more callers than this wait for each other.
MAX_STREAMS = 8

# On the first array OpenVINO's bindings import NumPy and hold a lock while they wait for the
# interpreter's: two threads that pass their first arrays at once would wait for each other forever.
openvino.Tensor(np.empty(1, np.float32))


class OpenVinoSession:
    """One network in OpenVINO on the CPU.

    As many calls run side by side as the threads of each leave CPUs for: OpenVINO would
    otherwise run them one after the other.

    Args:
        model: The model's bytes.
        threads: Threads inside one `run`.

    Raises:
        ModelError: The bytes are no model this OpenVINO can load.
    """

    def __init__(self, model: ModelFiles, threads: int) -> None:
        streams = max(1, min(available_threads() // threads, MAX_STREAMS))
        config: dict[str, Any] = {
            # Left alone, OpenVINO computes in bfloat16 where the CPU has it.
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads * streams,
            "NUM_STREAMS": str(streams),
        }
        core = _core()
        try:
            network = _read(core, model)
            self._metadata = _metadata(network)
            self._compiled: Any = _compile(core, network, config)
        except UnicodeDecodeError as exc:
            raise ManifestError(f"expected metadata in UTF-8, the model's are not: {exc}") from exc
        except RuntimeError as exc:
            raise ModelError(f"OpenVINO cannot load the model: {exc}") from exc
        if len(self._compiled.inputs) != 1:
            raise ModelError(f"expected a model with one input, got {len(self._compiled.inputs)}")
        (port,) = self._compiled.inputs
        shape = tuple(d.get_length() if d.is_static else "N" for d in port.get_partial_shape())
        self._network = network if "N" in shape else None
        self._known: set[tuple[int, ...]] = set()
        self._input = TensorSpec(
            _names(port, "input")[0], shape, port.get_element_type().to_string()
        )
        # A tensor may have several names; a manifest may use any of them.
        self._ports = [_names(p, f"output_{i}") for i, p in enumerate(self._compiled.outputs)]
        self._local = threading.local()
        outlive_forks(self)

    @property
    def input(self) -> TensorSpec:
        """Name, shape and dtype of the one input."""
        return self._input

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in the graph's order."""
        return tuple(name for names in self._ports for name in names)

    @property
    def metadata(self) -> dict[str, str]:
        """The file's custom metadata."""
        return self._metadata

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Outputs by name; safe to call from several threads.

        Raises:
            ModelError: The network cannot take the batch, such as a size it has no answer for.
        """
        compiled, local = self._compiled, self._local  # another thread may close it meanwhile
        if compiled is None:
            raise RuntimeError("the session is closed")
        # A request of each thread's own: a shared one would serve one thread at a time.
        self._check_shape(batch.shape)
        request = getattr(local, "request", None)
        if request is None:
            request = local.request = compiled.create_infer_request()
        try:
            values = request.infer([batch])
        except RuntimeError as exc:
            raise _cannot_run(batch.shape, exc) from exc
        outputs = {}
        for i, names in enumerate(self._ports):
            # The request writes its next results to the same place.
            array = np.array(values[i])
            outputs.update(dict.fromkeys(names, array))
        return outputs

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        """Follow a new size through the layers of a network of free size: some 15 ms, once.

        In a process with one CPU a compiled network does not (2026.4): it gives its last outputs
        again, or reads beyond its buffers.
        """
        network = self._network
        if network is None or shape in self._known:
            return
        try:
            network.clone().reshape(list(shape))
        except RuntimeError as exc:
            raise _cannot_run(shape, exc) from exc
        self._known.add(shape)

    def engine_property(self, name: str) -> Any:
        """What OpenVINO says of the compiled network, such as `"NUM_STREAMS"`."""
        return self._compiled.get_property(name)

    def close(self) -> None:
        """Free the network; closing twice is fine."""
        self._compiled = self._network = None
        self._local = threading.local()


def _cannot_run(shape: tuple[int, ...], exc: RuntimeError) -> ModelError:
    return ModelError(f"OpenVINO cannot run the model on {shape}: {exc}")


# By process: a fork makes its own and leaves its parent's alone.
_cores: dict[int, Any] = {}


def _core() -> Any:
    """The one that all networks share, as long as the process lives.

    A core gives the thread that compiles first a stack for signals and takes it away when it is
    freed. Two of them that are freed in the order in which they were made leave the thread with one
    that is no longer there, and the next signal, such as Ctrl-C, ends the process.
    """
    process = os.getpid()
    if process not in _cores:
        _cores.setdefault(process, openvino.Core())
    return _cores[process]


def _read(core: Any, model: ModelFiles) -> Any:
    if model.path.suffix == ".tflite":
        return core.read_model(model.path)  # the one format that it cannot read from memory
    if model.path.suffix == ".xml" and model.weights is not None:
        return core.read_model(io.BytesIO(model.content), io.BytesIO(model.weights))
    return core.read_model(io.BytesIO(model.loadable))


def _compile(core: Any, network: Any, config: dict[str, Any]) -> Any:
    folder = openvino_cache.folder()
    if folder is not None:
        try:
            return core.compile_model(network, "CPU", {**config, "CACHE_DIR": str(folder)})
        except RuntimeError as exc:
            # A damaged cache or a full disk must not stop a sound model.
            log.warning("compiling without the model cache in %s: %s", folder, exc)
    return core.compile_model(network, "CPU", config)


def _names(port: Any, fallback: str) -> list[str]:
    return sorted(port.get_names()) or [fallback]


def _metadata(network: Any) -> dict[str, str]:
    info = network.get_rt_info()
    if "framework" not in info:
        return {}
    framework = info["framework"]
    return {key: str(getattr(framework[key], "value", framework[key])) for key in framework}
