"""The file beside a model that was made elsewhere: its manifest, and the checksum of the model."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from litepose_edge.backends.files import ModelFiles
from litepose_edge.errors import ManifestError, ModelIntegrityError
from litepose_edge.manifest import Manifest, Part, encode_manifest, parse_manifest
from litepose_edge.manifest.checks import MAX_JSON_BYTES, check_json, shortened


class Sidecar(Part, frozen=True, omit_defaults=True):
    """What lies beside a model.

    Attributes:
        sha256: Of the model file, in hexadecimal.
        manifest: Its manifest.
        weights_sha256: Of the weights, where they are in a second file: OpenVINO IR's `.bin`, an
            ONNX file's external data.
    """

    sha256: str
    manifest: msgspec.Raw
    weights_sha256: str | None = None


def path_of(model: Path) -> Path:
    """Where a model's sidecar lies."""
    return model.with_name(model.name + ".json")


def read(model: ModelFiles) -> Manifest:
    """The manifest beside a model, if it was written for these very bytes.

    Raises:
        ManifestError: It cannot be read or is invalid.
        ModelIntegrityError: It describes other bytes.
    """
    path = path_of(model.path)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_JSON_BYTES + 1)
    except OSError as exc:
        raise ManifestError(f"cannot read {path}: {exc.strerror}") from exc
    try:
        sidecar = msgspec.json.decode(check_json(text), type=Sidecar)
    except (msgspec.DecodeError, ValueError) as exc:
        raise ManifestError(f"{path} does not describe a model: {shortened(exc)}") from exc
    _check(path, model.path, sidecar.sha256, model.content)
    if model.weights is not None:
        _check(path, _weights_of(model.path), sidecar.weights_sha256, model.weights)
    return parse_manifest(bytes(sidecar.manifest))


def encode(manifest: Manifest, model: ModelFiles) -> bytes:
    """The text of a model's sidecar, the same bytes for the same model and manifest."""
    sidecar = Sidecar(
        sha256=_digest(model.content),
        manifest=msgspec.Raw(encode_manifest(manifest).encode()),
        weights_sha256=None if model.weights is None else _digest(model.weights),
    )
    return msgspec.json.format(msgspec.json.encode(sidecar), indent=2) + b"\n"


def _weights_of(path: Path) -> str:
    if path.suffix == ".xml":
        return str(path.with_suffix(".bin"))
    return f"the external data of {path}"


def _check(path: Path, file: Path | str, expected: str | None, content: bytes) -> None:
    found = _digest(content)
    if found != expected:
        raise ModelIntegrityError(
            f"{file} has SHA-256 {found}, but {path.name} describes {expected}: get the file it "
            "was written for, or describe this one with litepose-edge adopt"
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
