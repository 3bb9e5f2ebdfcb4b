"""Converts a file of ours to ONNX Runtime's own format, for its reduced builds on devices."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.tools import convert_onnx_models_to_ort as converter

from litepose_edge import backends
from litepose_edge.atomic_files import write_files
from litepose_edge.backends.signed_activations import with_signed_activations
from litepose_edge.manifest import InputSpec
from litepose_export.conversion.onnx_file import read_onnx
from litepose_export.conversion.storage import store
from litepose_export.errors import ExportError, ParityError

MAX_DIFFERENCE = 1e-4
TRIALS = 4


@dataclass(frozen=True, slots=True)
class OrtReport:
    """What a conversion did.

    Attributes:
        source: The ONNX file.
        path: The `.ort` file.
        size_bytes: Its size.
        operators: The list of operators that a reduced build of ONNX Runtime must have.
        difference: Largest difference to the source's outputs, part of an output's largest value.
    """

    source: str
    path: str
    size_bytes: int
    operators: str
    difference: float

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        return asdict(self)


def convert(source: Path, target: Path, *, arm: bool = False) -> OrtReport:
    """Write a model as `.ort`, and beside it the operators that it needs.

    All of ONNX Runtime's graph optimisations are done now and baked in (its "fixed" style) but
    the one that lays data out for the processor at hand: the file runs on every processor. The
    "runtime" style leaves INT8 layers to be fused when the file is loaded, which a session does
    not do unless it is configured to; the network is then much slower. ONNX Runtime writes the
    same graph in another order of bytes each time.

    Args:
        source: ONNX file with a manifest inside or beside it, float or INT8.
        target: The file to write, ending in `.ort`; `.operators.config` is written beside it.
        arm: Give an INT8 file of ours signed activations first, as the runtime does on ARM; an
            `.ort` file runs as it is.

    Raises:
        ModelError: The source is no model of ours.
        ParityError: The converted file computes something else, or what is not finite; nothing is
            written.
        OutputError: The place cannot be written.
    """
    if target.suffix != ".ort":
        raise ExportError(f"an ONNX Runtime file must end in .ort, got {target}")
    model, manifest = read_onnx(source)
    with tempfile.TemporaryDirectory() as folder:
        # The converter writes beside its source, which may be a folder for reading only. The copy
        # is whole: with its manifest and weights inside, wherever they were.
        copy = Path(folder) / "model.onnx"
        store(model, manifest, copy)
        if arm:
            copy.write_bytes(with_signed_activations(copy.read_bytes()))
            manifest = backends.find_model(copy).manifest
        quantized = manifest.quantization
        signed = quantized is not None and quantized.scheme == "s8s8"
        _run_converter(copy, "arm" if signed else None)
        converted = Path(folder) / "model.ort"
        described = backends.find_model(converted).manifest
        difference = _difference(copy, converted, described.input, signed=signed)
        content = converted.read_bytes()
        operators = (Path(folder) / "model.required_operators.config").read_bytes()
    if difference > MAX_DIFFERENCE:
        raise ParityError(
            f"the converted file differs from {source} by {difference:.1e} of its outputs' "
            f"largest value, allowed is {MAX_DIFFERENCE:.0e}"
        )
    listing = target.with_suffix(".operators.config")
    write_files({listing: _without_path(operators), target: content})
    return OrtReport(str(source), str(target), len(content), str(listing), difference)


def _run_converter(source: Path, platform: str | None) -> None:
    """ONNX Runtime's own converter, without what it prints."""
    logging.getLogger("ort_format_model.utils").setLevel(logging.WARNING)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            # It leaves the file that it reads the operators from to be closed by chance.
            warnings.simplefilter("ignore", ResourceWarning)
            converter.convert_onnx_models_to_ort(
                source,
                optimization_styles=[converter.OptimizationStyle.Fixed],
                # "arm" keeps signed activations, which ONNX Runtime would rewrite for x86.
                target_platform=platform,
            )
    except RuntimeError as exc:
        raise ExportError(f"ONNX Runtime cannot convert {source}: {exc}") from exc


def _without_path(operators: bytes) -> bytes:
    """The list without comments: they hold the place of a temporary file."""
    lines = operators.decode("utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if not line.startswith("#")).encode()


def _difference(source: Path, converted: Path, spec: InputSpec, *, signed: bool) -> float:
    """Largest difference of the outputs on noise, part of an output's largest value."""
    rng = np.random.default_rng(0)
    first, second = _open(source, signed=signed), _open(converted, signed=signed)
    worst = 0.0
    for _ in range(TRIALS):
        if spec.dtype == "uint8":
            batch: Any = rng.integers(0, 256, (1, *spec.shape), np.uint8)
        else:
            batch = rng.normal(size=(1, *spec.shape)).astype(np.float32)
        feed = {first.get_inputs()[0].name: batch}
        for expected, found in zip(first.run(None, feed), second.run(None, feed), strict=True):
            worst = max(worst, _gap(expected, found))
    return worst


def _gap(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Largest difference of two outputs, part of the largest value; 0 where both are empty."""
    if found.shape != expected.shape:
        raise ParityError(
            f"the converted file gives an output of shape {found.shape} on noise, "
            f"expected {expected.shape}"
        )
    if not (np.isfinite(expected).all() and np.isfinite(found).all()):
        raise ParityError("expected finite outputs on noise, got NaN or infinity")
    # In floats: differences of integers would wrap around.
    before, after = expected.astype(np.float64), found.astype(np.float64)
    gap = float(np.abs(after - before).max(initial=0))
    return gap / max(float(np.abs(before).max(initial=0)), 1e-12)


def _open(path: Path, *, signed: bool) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Without the NCHWc layout, as the converted file: a float layer's last bits would otherwise
    # decide which code the integer layer behind it gets.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    # As an ARM processor would: on x86 signed activations are otherwise made unsigned, which
    # rounds some ties to the other side.
    options.add_session_config_entry("session.qdqisint8allowed", str(int(signed)))
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
