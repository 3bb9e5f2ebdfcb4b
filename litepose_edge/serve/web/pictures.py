"""`POST /v1/pose`: the people in a picture that a client sends."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from litepose_edge.errors import LitePoseError
from litepose_edge.serve.options import Limits
from litepose_edge.serve.stream.models import Models
from litepose_edge.serve.web.limits import read_body
from litepose_edge.serve.web.problems import JSON, Problem
from litepose_edge.sources import decode_image
from litepose_edge.sources.formats.picture_bytes import START_BYTES, picture_format

RAW = "application/octet-stream"
MEDIA_TYPES = ("image/jpeg", "image/png", RAW)
FORMATS = ("jpeg", "png")
MOST_SIDE = 65_535


class Pictures:
    """Treats the pictures of clients, one at a time and apart from the stream.

    Args:
        models: Gives the estimator.
        limits: What clients may send.
    """

    def __init__(self, models: Models, limits: Limits) -> None:
        self._models, self._limits = models, limits
        self._pool = ThreadPoolExecutor(1, "litepose-pictures")
        self._waiting = 0
        self.treated = 0

    async def answer(self, request: Request) -> Response:
        """The people in the picture that is the request's body.

        Raises:
            Problem: It is none, too large, or too many wait.
        """
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in MEDIA_TYPES:
            raise Problem(
                415, f"expected a body of type {', '.join(MEDIA_TYPES)}, got {media_type[:60]!r}"
            )
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Problem(415, "expected a body without content-encoding: pictures are packed")
        boxes = _boxes(request.query_params.get("boxes"), self._limits.boxes)
        size = None
        if media_type == RAW or not {"width", "height"}.isdisjoint(request.query_params):
            size = _raw_size(request, self._limits.pixels)
        if media_type != RAW:
            size = None  # it is in the picture's own header
        if self._waiting >= self._limits.pictures_waiting:
            raise Problem(
                503,
                f"{self._waiting} pictures are being treated: try again in a second",
                {"retry-after": "1"},
            )
        self._waiting += 1
        try:
            content = await read_body(request, self._limits.body_bytes, self._limits.body_s)
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._pool, self._people, content, boxes, size)
            # A client that leaves does not make room before its picture is done.
            document = await asyncio.shield(work)
        except LitePoseError as exc:
            raise Problem(422, str(exc)) from exc
        finally:
            self._waiting -= 1
        self.treated += 1
        return Response(document, media_type=JSON)

    def close(self) -> None:
        """End its thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _people(
        self,
        content: bytes,
        boxes: NDArray[np.float32] | None,
        size: tuple[int, int] | None,
    ) -> str:
        image = self._image(content, size)
        with self._models.borrowed() as model:
            return model.estimator.predict(image, boxes_xyxy=boxes).to_json()

    def _image(self, content: bytes, size: tuple[int, int] | None) -> NDArray[np.uint8]:
        if size is not None:
            width, height = size
            if len(content) != 3 * width * height:
                raise Problem(
                    422,
                    f"expected {3 * width * height} bytes of BGR for {width}x{height} pixels, "
                    f"got {len(content)}",
                )
            return np.frombuffer(content, np.uint8).reshape(height, width, 3)
        if picture_format(content[:START_BYTES]) not in FORMATS:
            raise Problem(422, "expected a JPEG or PNG, and the body begins as neither does")
        # Its header is looked at before it is decoded.
        return decode_image(content, max_pixels=self._limits.pixels, name="the body")


def _raw_size(request: Request, most_pixels: int) -> tuple[int, int]:
    numbers = [request.query_params.get(name, "") for name in ("width", "height")]
    if not all(n.isascii() and n.isdecimal() and len(n) <= 5 for n in numbers):
        raise Problem(
            422,
            f"raw pictures need ?width=W&height=H, whole numbers from 1 to {MOST_SIDE}",
        )
    width, height = map(int, numbers)
    if not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE and width * height <= most_pixels):
        raise Problem(422, f"expected a picture of 1 to {most_pixels} pixels, got {width}x{height}")
    return width, height


def boxes_pattern(most: int) -> str:
    """The regular expression of `x1,y1,x2,y2;...`, pixels with up to three decimals."""
    number = r"-?[0-9]{1,6}(\.[0-9]{1,3})?"
    box = f"{number}(,{number}){{3}}"
    return f"{box}(;{box}){{0,{most - 1}}}"


def _boxes(text: str | None, most: int) -> NDArray[np.float32] | None:
    """`x1,y1,x2,y2;...` as `(P, 4)` float32; None where there is none."""
    if text is None:
        return None
    if text.count(";") >= most:
        raise Problem(422, f"expected at most {most} boxes, got more")
    if re.fullmatch(boxes_pattern(most), text) is None:
        raise Problem(
            422, "expected boxes as x1,y1,x2,y2 in pixels, several with a semicolon between them"
        )
    return np.array([row.split(",") for row in text.split(";")], np.float32)
