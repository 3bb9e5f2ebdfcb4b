"""The model files that came with the package: their names, their checksums, which to take."""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Literal

from litepose_edge.atomic_files import read_file
from litepose_edge.errors import ModelFileMissingError, ModelIntegrityError

Precision = Literal["int8", "fp32"]
PRECISIONS: tuple[Precision, ...] = ("int8", "fp32")
FOLDER = Path(__file__).parent.parent / "models"
CHECKSUMS = "SHA256SUMS"
PROBE = "u8s8-probe.onnx"
# What the tools that make one file or folder of an application must be told.
LEFT_OUT = (
    "a bundler leaves data files out unless told: PyInstaller --collect-data litepose_edge, Nuitka "
    "--include-package-data=litepose_edge, cx_Freeze include_files; zipped applications must "
    "unpack the package. Else reinstall litepose-edge"
)


def names() -> tuple[str, ...]:
    """Names of the bundled models, such as `"lrpose-s"`."""
    return tuple(sorted({file.split(".")[0] for file in _checksums() if file != PROBE}))


def precisions(name: str) -> tuple[Precision, ...]:
    """In which precisions a model is bundled; some come in INT8 alone, more of them in wheels."""
    return tuple(p for p in PRECISIONS if _is_bundled(name, p))


def nearest_precision(name: str, wanted: Precision | None) -> Precision | None:
    """The wanted precision where a model is bundled in it, else None, which takes what there is.

    Wheels have the detector in INT8 alone: it then serves pose networks of either precision.
    """
    return wanted if wanted in precisions(name) else None


def find(name: str, precision: str) -> Path:
    """The bundled file of a model.

    Raises:
        ModelFileMissingError: There is no such model, or not in this precision; or the models were
            left out of this installation.
    """
    if not _checksums():
        raise ModelFileMissingError(
            f"the bundled models are not in this installation (no {FOLDER / CHECKSUMS}): {LEFT_OUT}"
        )
    if not _is_bundled(name, precision):
        there = ", ".join(f"{known} ({', '.join(precisions(known))})" for known in names())
        found, more = f"'{name}'", "To use a file of your own give its path, ending in .onnx"
        if precisions(name):
            found += f" in {precision}"
            more = (
                "Further float files of ours lie in the source repository, in litepose_edge/models "
                "and export/weights"
            )
        raise ModelFileMissingError(f"no bundled model {found}; there are: {there}. {more}")
    return FOLDER / _file(name, precision)


def _file(name: str, precision: str) -> str:
    return f"{name}.{precision}.onnx"


def _is_bundled(name: str, precision: str) -> bool:
    file = _file(name, precision)
    if file not in _checksums():
        return False
    # Wheels leave a float file out. Where every model is missing, a bundler did it: `read` says so.
    return precision == "int8" or (FOLDER / file).exists() or not any(FOLDER.glob("*.onnx"))


def is_name(model: str | PathLike[str]) -> bool:
    """Whether a model argument names a bundled model rather than a file."""
    return isinstance(model, str) and Path(model).suffix == "" and Path(model).name == model


def read(path: Path) -> bytes:
    """A model file's bytes, checked against the published checksum if it is a bundled one.

    Raises:
        ModelFileMissingError: There is no such file.
        ModelIntegrityError: A bundled file was changed.
    """
    try:
        model = read_file(path)
    except (OSError, ValueError) as exc:  # ValueError: no path at all, such as "a\0b"
        reason = exc.strerror if isinstance(exc, OSError) else exc
        mend = f": {LEFT_OUT}" if path.parent == FOLDER else ""
        raise ModelFileMissingError(f"cannot read model {path}: {reason}{mend}") from exc
    if path.parent == FOLDER:
        found = hashlib.sha256(model).hexdigest()
        expected = _checksums().get(path.name)
        if found != expected:
            raise ModelIntegrityError(
                f"{path} has SHA-256 {found}, published was {expected}: reinstall litepose-edge"
            )
    return model


def architecture() -> str:
    """This machine's, such as `"x86_64"` or `"aarch64"`."""
    # platform.machine() may start a subprocess; uname does not, and Windows is x86 or says so.
    if hasattr(os, "uname"):
        return os.uname().machine
    return "arm64" if "ARM" in sys.version else "x86"


def is_arm() -> bool:
    """Whether this is a 64-bit ARM processor, whose INT8 files have signed activations."""
    return architecture() in ("aarch64", "arm64")


def _checksums() -> dict[str, str]:
    return _read_checksums(FOLDER / CHECKSUMS)


@cache
def _read_checksums(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = path.read_text("ascii").splitlines()
    return {file: digest for digest, file in (line.split(maxsplit=1) for line in lines)}
