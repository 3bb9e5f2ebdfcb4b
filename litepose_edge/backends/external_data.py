"""ONNX files that keep their weights in files beside them: both as one, whole model in memory.

An engine that is given the bytes alone looks for the weights in the current folder, or, for names
it has a meaning of its own for, in memory. So no engine sees a name: the weights are put where the
names were. Reads the protocol buffers' wire format, of which only this is needed; the runtime does
without the onnx package.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from litepose_edge.atomic_files import read_file
from litepose_edge.backends.protobuf import BYTES, VARINT, fields, length_delimited, varint
from litepose_edge.errors import ModelError, ModelFileMissingError

# The key of an entry that names a file; a model without it has no external data.
MARK = b"location"
MAX_BYTES = 2**31 - 1  # of one protocol buffer
MAX_DEPTH = 100
# Fields that hold, or lead to, tensors: what kind of message each is.
NESTED = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "function": {7: "node", 11: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
RAW_DATA, EXTERNAL_DATA, DATA_LOCATION = 9, 13, 14

Read = Callable[[str], bytes]


def whole_model(path: Path | None, content: bytes) -> tuple[bytes, bytes | None]:
    """A model with its external data inside, and the bytes of the files they came from.

    Args:
        path: The ONNX file; its weights lie in its folder or below. None: it is in memory alone.
        content: Its bytes.

    Returns:
        The model as it was, and None, where it has no external data. Several files are joined in
        the order of their names.

    Raises:
        ModelError: It is damaged, or names a file outside of its folder, or is beyond 2 GiB.
        ModelFileMissingError: A file that it names is not there.
    """
    if MARK not in content:
        return content, None
    read: dict[str, bytes] = {}

    def weights(location: str) -> bytes:
        if path is None:
            raise ModelError(
                f"a model in memory keeps weights in {location!r}: open it by its path"
            )
        if location not in read:
            read[location] = read_file(_file(path, location))
        return read[location]

    try:
        found = _with_data(memoryview(content), "model", weights, MAX_DEPTH)
    except (IndexError, ValueError) as exc:
        raise ModelError(f"{path} is damaged: {exc}") from exc
    except OSError as exc:
        raise ModelFileMissingError(
            f"{path} keeps weights in a file that cannot be read: {exc}; put it beside the model"
        ) from exc
    if found is None:
        return content, None
    if len(found) > MAX_BYTES:
        raise ModelError(f"{path} and its weights have {len(found)} bytes, at most 2 GiB are read")
    return found, b"".join(read[location] for location in sorted(read))


def _file(path: Path, location: str) -> Path:
    """The file that a model names, if it is the model's to name."""
    parts = PurePosixPath(location).parts
    odd = not parts or location.startswith("/") or ".." in parts or set(location) & set("\\:*\0")
    file = path.parent / location
    # A cache may hold links, to a folder where both files lie.
    folders = (path.parent.resolve(), path.resolve().parent)
    if odd or not any(file.resolve().is_relative_to(folder) for folder in folders):
        raise ModelError(
            f"{path} keeps weights in {location!r}: expected a file in the model's own folder"
        )
    if file.exists() and not file.is_file():
        raise ModelError(f"{path} keeps weights in {location!r}, which is no regular file")
    return file


def _with_data(message: memoryview, kind: str, read: Read, depth: int) -> bytes | None:
    """A message with the external data of its tensors inside; None where it has none."""
    if depth == 0:
        raise ValueError(f"its graphs are nested more than {MAX_DEPTH} deep")
    if kind == "tensor":
        return _tensor(message, read)
    nested, kept = NESTED[kind], 0
    parts: list[memoryview | bytes] = []
    for field, wire, start, body, end in fields(message):
        if wire == BYTES and field in nested:
            changed = _with_data(message[body:end], nested[field], read, depth - 1)
            if changed is not None:
                parts += [message[kept:start], length_delimited(field, changed)]
                kept = end
    return b"".join([*parts, message[kept:]]) if parts else None


def _tensor(message: memoryview, read: Read) -> bytes | None:
    entries: dict[str, str] = {}
    location, parts = 0, []
    for field, wire, start, body, end in fields(message):
        if field == EXTERNAL_DATA and wire == BYTES:
            pair = {f: bytes(message[body:end][b:e]) for f, _, _, b, e in fields(message[body:end])}
            entries[pair.get(1, b"").decode()] = pair.get(2, b"").decode()
        elif field == DATA_LOCATION and wire == VARINT:
            location = varint(message, body)[0]
        elif field != RAW_DATA:
            parts.append(message[start:end])
    if not entries and not location:
        return None
    if "location" not in entries or location != 1:
        raise ValueError("a tensor says neither that its data are inside nor where they are")
    data = read(entries["location"])
    first = int(entries.get("offset") or 0)
    length = int(entries.get("length") or len(data) - first)
    if not 0 <= first <= first + length <= len(data):
        raise ValueError(
            f"it wants bytes {first} to {first + length} of {entries['location']!r}, which has "
            f"{len(data)}"
        )
    return b"".join([*parts, length_delimited(RAW_DATA, data[first : first + length])])
