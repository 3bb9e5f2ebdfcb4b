"""The OpenAPI document of the service."""

from __future__ import annotations

from typing import Any

import litepose_edge
from litepose_edge.serve.options import WebOptions
from litepose_edge.serve.web.openapi_parts import (
    EVERYWHERE,
    PROBLEMS,
    TEXT,
    TRUTH,
    Document,
    answer,
    content,
    obj,
    ref,
    schemas,
)
from litepose_edge.serve.web.pictures import boxes_pattern

JSON, JPEG, HTML = "application/json", "image/jpeg", "text/html; charset=utf-8"
DESCRIPTION = (
    "People in front of a camera, live, and in pictures that are sent. WebSockets, which this "
    "document has no words for: /v1/live (poses, pictures, status) and /v1/stream (poses)."
)


def openapi_document(options: WebOptions, models: tuple[str, ...], *, recording: bool) -> Document:
    """The document as plain values.

    Args:
        options: Who is answered.
        models: Names that the control `model` may have.
        recording: Whether films may be recorded.
    """
    document: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": "litepose-edge serve",
            "version": litepose_edge.__version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _paths(options, recording=recording),
        "components": {
            "schemas": schemas(models),
            "responses": {f"Problem{status}": text for status, text in PROBLEMS.items()},
        },
    }
    if options.token is not None:
        document["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "litepose_token"},
        }
        document["security"] = [{"token": []}, {"cookie": []}]
    return document


def _paths(options: WebOptions, *, recording: bool) -> Document:
    status = answer("How the stream does.", content(JSON, ref("Status")))
    page = answer("A file of the page.", content(HTML, TEXT))
    state = content(JSON, obj({"status": TEXT}))
    return {
        "/": {"get": _open(_get("The page.", page))},
        "/healthz": {"get": _open(_get("Whether the service works.", answer("Yes.", state)))},
        "/readyz": {"get": _open(_get("Whether frames come.", answer("Yes.", state)))},
        "/metrics": {
            "get": _get(
                "Figures for Prometheus.",
                answer("Figures.", content("text/plain; version=0.0.4; charset=utf-8", TEXT)),
            )
        },
        "/openapi.json": {
            "get": _get("This document.", answer("OpenAPI 3.1.", content(JSON, {"type": "object"})))
        },
        "/v1/status": {"get": _get("How the stream does.", status)},
        "/v1/stream": {
            "get": _get(
                "Poses of each frame, without end.",
                answer("Server-sent events.", content("text/event-stream", TEXT)),
            )
        },
        "/v1/control": {"post": _post("Change controls.", ref("ControlChanges"), {"200": status})},
        "/v1/snapshot": {"post": _snapshot()},
        "/v1/record": {
            "post": _post(
                "Begin or end a film on the board." + ("" if recording else " Off here."),
                obj({"on": TRUTH}),
                {"200": status},
                "409",
            )
        },
        "/v1/login": {
            "post": _open(
                _post(
                    "Exchange the token for a cookie.",
                    obj({"token": TEXT}),
                    {"204": answer("Done; the cookie is litepose_token.")},
                )
            )
        },
        "/v1/logout": {
            "post": {
                "summary": "Forget the cookie.",
                "responses": _responses({"204": answer("Done.")}),
            }
        },
        "/v1/pose": {"post": _pose(options)},
    }


def _get(summary: str, found: Document) -> Document:
    return {"summary": summary, "responses": _responses({"200": found})}


def _post(summary: str, body: Document, found: Document, *more: str) -> Document:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": content(JSON, body)},
        "responses": _responses(found, "413", "415", "422", *more),
    }


def _snapshot() -> Document:
    picture = answer(
        "The newest frame.",
        content(JPEG, {"type": "string", "format": "binary"}),
        {"Content-Disposition": {"schema": TEXT, "required": True}},
    )
    return {
        "summary": "The newest frame as a picture.",
        "parameters": [
            _query("drawn", {"type": "string", "enum": ["0", "1"]}, "1 draws the people on it."),
            _query(
                "palette",
                {"type": "string", "enum": ["side", "person"]},
                "How bones are coloured: by side of the body or by person.",
            ),
        ],
        "responses": _responses({"200": picture}, "409", "422"),
    }


def _pose(options: WebOptions) -> Document:
    limits = options.limits
    side = {"type": "integer", "minimum": 1, "maximum": 65_535}
    boxes = {
        "type": "string",
        "pattern": f"^{boxes_pattern(limits.boxes)}$",
        "examples": ["10,20,200,400;300,20,480,400"],
    }
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "summary": "The people in a picture.",
        "description": f"At most {limits.body_bytes} bytes and {limits.pixels} pixels.",
        "parameters": [
            _query("boxes", boxes, "One person in each box: x1,y1,x2,y2;... in pixels."),
            _query("width", side, "Of a raw picture."),
            _query("height", side, "Of a raw picture."),
        ],
        "requestBody": {
            "required": True,
            "description": "JPEG, PNG, or width x height x 3 bytes: blue, green, red.",
            "content": {name: binary for name in (JPEG, "image/png", "application/octet-stream")},
        },
        "responses": _responses(
            {"200": answer("The people.", content(JSON, ref("Poses")))}, "413", "415", "422"
        ),
    }


def _query(name: str, schema: Document, text: str) -> Document:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _open(operation: Document) -> Document:
    return {**operation, "security": []}


def _responses(found: Document, *problems: str) -> Document:
    known: dict[str, Any] = {
        status: ref(f"Problem{status}", "responses") for status in (*EVERYWHERE, *problems)
    }
    return {**found, **known}
