"""Schemas and answers that the OpenAPI document refers to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litepose_edge.serve.stream.controls import MOST_DETECT_EVERY, Controls
from litepose_edge.serve.stream.state import Condition

Document = dict[str, Any]

NUMBER, TEXT, TRUTH = {"type": "number"}, {"type": "string"}, {"type": "boolean"}
WHOLE = {"type": "integer", "minimum": 0}
SCORE = {"type": "number", "minimum": 0, "maximum": 1}


def obj(properties: Mapping[str, Any], *, optional: tuple[str, ...] = ()) -> Document:
    """The schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def ref(name: str, kind: str = "schemas") -> Document:
    """A reference to one of the components."""
    return {"$ref": f"#/components/{kind}/{name}"}


def content(media_type: str, schema: Document) -> Document:
    """A body of this type."""
    return {media_type: {"schema": schema}}


def answer(text: str, body: Document | None = None, headers: Document | None = None) -> Document:
    """An answer."""
    found: Document = {"description": text}
    if body is not None:
        found["content"] = body
    if headers is not None:
        found["headers"] = headers
    return found


def problem(text: str, *headers: str) -> Document:
    """An answer that says what went wrong."""
    described = {name: {"schema": TEXT, "required": True} for name in headers}
    return answer(text, content("application/json", ref("Error")), described or None)


# Those of every path come first, then those of some.
PROBLEMS: Document = {
    "400": problem("This is no HTTP request."),
    "401": problem("A token is needed, or it is wrong.", "WWW-Authenticate"),
    "403": problem("A page of another origin asks, or the thing is not allowed here."),
    "405": problem("The path takes other methods.", "Allow"),
    "408": problem("The request did not come in time."),
    "414": problem("The address is too long."),
    "421": problem("The service is not called by this name."),
    "429": problem("Too many requests.", "Retry-After"),
    "500": problem("The service failed on this."),
    "503": problem("Too much is going on, or the stream stands still."),
    "404": problem("There is no such thing."),
    "409": problem("Not in the present state."),
    "413": problem("The body is too long."),
    "415": problem("The body is of another type."),
    "422": problem("The body or a parameter is of another form."),
}
EVERYWHERE = ("400", "401", "403", "405", "408", "414", "421", "429", "500", "503")


def schemas(models: tuple[str, ...]) -> Document:
    """All schemas by name."""
    usual = Controls()
    changeable = {
        "paused": {**TRUTH, "default": usual.paused},
        "min_score": {**SCORE, "description": "People of lower confidence are not reported."},
        "detect_every": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_DETECT_EVERY,
            "description": "The detector runs on every so many frames.",
        },
        "model": {"type": "string", "enum": list(models)},
        "mirror": {**TRUTH, "description": "Viewers show the picture mirrored."},
    }
    numbers = [NUMBER, {"type": "null"}]
    return {
        "Error": obj({"error": {**TEXT, "description": "One sentence."}}),
        "ControlChanges": obj(changeable, optional=tuple(changeable)),
        "Controls": obj({**changeable, "recording": TRUTH}),
        "Image": obj({"width": WHOLE, "height": WHOLE}),
        "Person": _person(),
        "Poses": obj(
            {
                "schema": {"const": 1},
                "image": ref("Image"),
                "keypoint_names": {"type": "array", "items": TEXT},
                "people": {"type": "array", "items": ref("Person")},
            }
        ),
        "Status": obj(
            {
                "type": {"const": "status"},
                "source": TEXT,
                "state": {"enum": [condition.value for condition in Condition]},
                "reason": {"type": ["string", "null"]},
                "fps": {"type": "number", "minimum": 0},
                "latency_ms": obj({"p50": {"anyOf": numbers}, "p95": {"anyOf": numbers}}),
                "frames": WHOLE,
                "dropped": WHOLE,
                "people": WHOLE,
                "viewers": WHOLE,
                "cpu_percent": {"anyOf": numbers},
                "temperature_c": {"anyOf": numbers},
                "memory_mb": {"anyOf": numbers},
                "controls": ref("Controls"),
            }
        ),
    }


def _person() -> Document:
    four = {"type": "array", "items": NUMBER, "minItems": 4, "maxItems": 4}
    three = {"type": "array", "items": NUMBER, "minItems": 3, "maxItems": 3}
    return obj(
        {
            "track_id": {"type": ["integer", "null"]},
            "score": SCORE,
            "box_xyxy": {**four, "description": "x1, y1, x2, y2 in pixels."},
            "keypoints": {
                "type": "array",
                "items": {**three, "description": "x, y in pixels, score."},
            },
        }
    )
