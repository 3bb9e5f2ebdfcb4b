"""Answers that say what went wrong: `{"error": "one sentence"}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

JSON = "application/json"


class Problem(Exception):  # noqa: N818 - an answer, not a fault of ours
    """An answer other than the one that was asked for.

    Args:
        status: HTTP status.
        sentence: What was expected, what came, and the mend.
        headers: More of them.
    """

    def __init__(
        self, status: int, sentence: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer."""
        return json_response({"error": self.sentence}, self.status, self.headers)


def json_response(
    document: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(document), status, headers, media_type=JSON)


def flag(parameters: Mapping[str, str], name: str, *, usual: bool) -> bool:
    """A parameter that is 0 or 1.

    Raises:
        Problem: It is neither.
    """
    text = parameters.get(name, "1" if usual else "0")
    if text not in ("0", "1"):
        raise Problem(422, f"{name} is 0 or 1, got {text[:40]!r}")
    return text == "1"
