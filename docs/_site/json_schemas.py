"""JSON Schemas for the reference pages, from the structs and commands that define them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
from result_documents import FrameLine, ImageLine, PosesDocument

from litepose_edge.manifest import Manifest

SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "manifest": lambda: msgspec.json.schema(Manifest),
    "poses": lambda: msgspec.json.schema(PosesDocument),
    "image line": lambda: msgspec.json.schema(ImageLine),
    "frame line": lambda: msgspec.json.schema(FrameLine),
}
MARK = re.compile(r"<!-- schema: ([\w ]+) -->")


def markdown(page: str) -> str:
    """The page with each schema in the place of its mark, folded up."""
    return MARK.sub(lambda match: _block(match.group(1)), page)


def _block(name: str) -> str:
    text = json.dumps(SCHEMAS[name](), indent=2)
    body = "\n".join(f"    {line}" for line in text.splitlines())
    return f'<details markdown="1"><summary>JSON Schema</summary>\n\n{body}\n\n</details>'
