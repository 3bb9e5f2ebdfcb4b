"""The OpenAPI document of the service."""

from __future__ import annotations

from typing import Any

import litepose_edge
from litepose_edge.serve.options import WebOptions


def openapi_document(options: WebOptions) -> dict[str, Any]:
    """The document as plain values."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "litepose-edge serve", "version": litepose_edge.__version__},
        "paths": {},
    }
