"""Seeded mutations of bytes, of JSON documents and of their text."""

from __future__ import annotations

import copy
import json
import struct
from typing import Any

import numpy as np

NUMBERS = (
    0, 1, -1, 2, 3, 7, 17, 64, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 10**6, 2**31 - 1,
    2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, -(2**31), -(2**63),
    0.5, -0.5, 1e-45, 1e-308, 1e39, 1e308, -1e308, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
TEXTS = ("", "x", "nose", "0", "../x", "\0", "\ud800", "ä" * 9, "y" * 5000, "float32", "image")
OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    [None],
    {"x": 1},
    [0, 99],
    [[0, 1], [1, 2]],
)


def mutate_bytes(rng: np.random.Generator, content: bytes, others: list[bytes]) -> bytes:
    """A few random faults in bytes: bits, integers, slices, an end that is missing."""
    mutated = bytearray(content)
    for _ in range(int(rng.choice([1, 1, 1, 2, 4, 16]))):
        _mutate_once(rng, mutated, others)
    return bytes(mutated)


def _mutate_once(rng: np.random.Generator, data: bytearray, others: list[bytes]) -> None:
    at = _place(rng, len(data))
    length = int(rng.choice([1, 2, 4, 16, 64, 512]))
    match int(rng.integers(10)):
        case 0 | 1 if data:
            data[min(at, len(data) - 1)] ^= 1 << int(rng.integers(8))
        case 2 if data:
            data[min(at, len(data) - 1)] = int(rng.choice([0, 1, 127, 128, 254, 255]))
        case 3:
            integer = int(rng.choice([0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]))
            packed = struct.pack(rng.choice(["<Q", ">Q", "<I", ">I"]).item(), integer)
            packed = packed[-4:] if rng.integers(2) else packed[:2]
            data[at : at + len(packed)] = packed
        case 4:
            del data[at:]
        case 5:
            del data[at : at + length]
        case 6:
            data[at:at] = data[at : at + length]
        case 7:
            data[at:at] = rng.bytes(length)
        case 8:
            data[at : at + length] = bytes(min(length, len(data) - at))
        case _:
            other = others[int(rng.integers(len(others)))]
            start = _place(rng, len(other))
            data[at : at + length] = other[start : start + length]


def _place(rng: np.random.Generator, length: int) -> int:
    """Half of the faults lie in the first 200 bytes, where headers are."""
    reach = min(length, 200) if rng.integers(2) else length
    return int(rng.integers(reach + 1))


def mutate_document(rng: np.random.Generator, document: Any) -> Any:
    """A copy of a JSON document with one to three values, keys or items that are not as meant."""
    root = {"": copy.deepcopy(document)}
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        places = _places(root)
        holder, key = places[int(rng.integers(len(places)))]
        _mutate_place(rng, holder, key)
    return root[""]


def _places(root: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [root]
    while waiting:
        holder = waiting.pop()
        items = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, value in items:
            found.append((holder, key))
            if isinstance(value, dict | list):
                waiting.append(value)
    return found


def _mutate_place(rng: np.random.Generator, holder: Any, key: Any) -> None:
    value = holder[key]
    match int(rng.integers(8)):
        case 0 if key != "":
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.insert(key, copy.deepcopy(value))
        case 1 if key != "":
            holder[f"{key}x"] = holder.pop(key)
        case 2 if isinstance(value, list) and value:
            value.reverse()
        case 3 if isinstance(value, int | float) and not isinstance(value, bool):
            holder[key] = value * float(rng.choice([-1, 0.1, 10, 1e6])) + int(rng.integers(-2, 3))
        case 4 if isinstance(value, int) and not isinstance(value, bool):
            holder[key] = value + int(rng.choice([-2, -1, 1, 2, 1000]))
        case 5:
            holder[key] = copy.deepcopy(OTHERS[int(rng.integers(len(OTHERS)))])
        case 6:
            holder[key] = TEXTS[int(rng.integers(len(TEXTS)))]
        case _:
            holder[key] = NUMBERS[int(rng.integers(len(NUMBERS)))]


def mutate_json(rng: np.random.Generator, text: bytes, others: list[bytes]) -> bytes:
    """JSON text whose document, or whose bytes, were mutated."""
    match int(rng.integers(12)):
        case 0:
            return mutate_bytes(rng, text, others)
        case 1:
            return _odd_text(rng, text)
        case _:
            document = mutate_document(rng, json.loads(text))
            return json.dumps(document).encode("utf-8", "surrogatepass")


def _odd_text(rng: np.random.Generator, text: bytes) -> bytes:
    depth = int(rng.choice([100, 5000, 200_000]))
    nested = b"[" * depth + b"]" * depth
    inner = text.rstrip()[:-1]
    repeated = text.strip()[1:-1].split(b",")[0]
    return [
        text.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + text,
        nested,
        inner + b', "x": ' + nested + b"}",
        inner + b", " + repeated + b"}",
        inner + b', "name": "second"}',
        inner + b', "\xff\xfe": 1}',
        text + b"x",
        text + text,
        b"",
        b"null",
    ][int(rng.integers(11))]


def strict_json(content: bytes) -> str | None:
    """Why a strict reader refuses JSON: not UTF-8, a key twice, NaN, infinities; None: it is fine.

    Documents that are nested too deeply for this reader are left to the others.
    """
    try:
        json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError:
        return None
    except ValueError as exc:
        return f"strict JSON: {exc}"
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands there twice")
    return document


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")
