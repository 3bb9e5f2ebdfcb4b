"""Image to network input: checks, affine crop, normalisation."""

from __future__ import annotations

import math
import threading
from numbers import Real
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.errors import InvalidBoxError
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.manifest import InputSpec
from litepose_edge.sources.inputs import check_array

Image = NDArray[np.uint8]
KEPT_SIZES = 8
# The longest side that warpAffine of OpenCV 4 takes.
MAX_WARPED_SIDE = 32766
# Far beyond any image, and small enough for the square of it in float32.
MAX_COORDINATE = 1e18


def check_image(image: object, max_pixels: float = math.inf) -> Image:
    """Return the frame as a C-contiguous array.

    Args:
        image: What the caller gave.
        max_pixels: Larger frames are refused, before they are copied.

    Raises:
        InvalidImageError: It is not a non-empty `(H, W, 3)` uint8 array, or too large.
    """
    return np.ascontiguousarray(check_array(image, max_pixels))


def check_boxes(boxes_xyxy: object, image_size: Size) -> Float32:
    """Return boxes as `(P, 4)` float32.

    Raises:
        InvalidBoxError: Not `(P, 4)` numbers, not finite, inverted, or wholly outside.
    """
    numbers = as_numbers(boxes_xyxy)
    if numbers.size == 0 and numbers.shape in ((0,), (0, 4)):
        return np.zeros((0, 4), np.float32)
    if numbers.ndim != 2 or numbers.shape[1] != 4:
        raise InvalidBoxError(f"expected (P, 4) xyxy boxes, got shape {numbers.shape}")
    # Plain floats: NumPy takes six times as long on four numbers.
    for i, given in enumerate(numbers.tolist()):
        if not all(map(math.isfinite, given)):
            raise InvalidBoxError(f"box {i} is not finite: {given}")
        if max(map(abs, given)) > MAX_COORDINATE:
            raise InvalidBoxError(f"box {i} is too large to be counted in pixels: {given}")
    boxes = numbers.astype(np.float32)
    for i, box in enumerate(boxes.tolist()):
        if box[2] <= box[0] or box[3] <= box[1]:
            raise InvalidBoxError(f"box {i} must have x1 < x2 and y1 < y2: {box}")
        if box[2] <= 0 or box[3] <= 0 or box[0] >= image_size.width or box[1] >= image_size.height:
            raise InvalidBoxError(
                f"box {i} lies outside the {image_size.width}x{image_size.height} image: {box}"
            )
    return boxes


def as_numbers(given: object) -> NDArray[Any]:
    """Boxes or scores as an array of real numbers, tensors of other libraries included.

    Raises:
        InvalidBoxError: They are none: text, complex, masked, ragged.
    """
    try:
        numbers = _as_array(given)
        real = numbers.dtype.kind in "fiu" or not numbers.size
        if numbers.dtype.kind == "O":
            real = all(isinstance(number, Real) for number in numbers.flat)
        found = numbers.astype(np.float64, copy=False) if real else None
    except Exception as exc:
        # Whatever lists and tensors of others raise: they are no numbers.
        raise InvalidBoxError(f"expected numbers, got {given!r:.200} ({exc!s:.200})") from exc
    # By its attribute: importing numpy.ma would take longer than the whole call.
    masked = type(given) is not np.ndarray and isinstance(given, np.ndarray)
    masked = masked and bool(np.any(getattr(given, "mask", False)))
    if found is None or masked:
        raise InvalidBoxError(f"expected real numbers, none masked, got {given!r:.200}")
    return found


def _as_array(given: Any) -> NDArray[Any]:
    if not hasattr(given, "detach"):
        return np.asarray(given)
    given = given.detach().cpu()  # a torch tensor, which may need gradients or lie on a device
    try:
        return np.asarray(given)
    except TypeError:  # bfloat16, which NumPy does not have
        return np.asarray(given.float())


def warp(
    image: Image,
    to_input: Float64,
    size: Size,
    *,
    fill: tuple[int, int, int] = (0, 0, 0),
    out: Image | None = None,
) -> Image:
    """Cut the input's view out of an image.

    A strong reduction first averages whole blocks of pixels: bilinear sampling alone would
    skip most of them and alias.

    Args:
        image: `(H, W, 3)` uint8.
        to_input: `(2, 3)`, image pixels to input pixels.
        size: Size of the result.
        fill: Colour beyond the image.
        out: Result buffer, or None to allocate.
    """
    (a, b, tx), (c, d, ty) = to_input.tolist()
    block = geometry.reduction(math.sqrt(abs(a * d - b * c)))
    if b == c == 0 and a > 0 and d > 0:
        rectangle = _rectangle((a, d), (tx, ty), size, block)
        if rectangle is not None:
            return _resized(image, rectangle, size, block, fill, out)
    if block > 1:
        image, to_input = _shrink(image, to_input, size, block)
    if max(image.shape[:2]) > MAX_WARPED_SIDE:
        image, to_input = _within_reach(image, to_input, size)
        if image.size == 0:
            return np.full((size.height, size.width, 3), fill, np.uint8)
    warped = cv2.warpAffine(
        image,
        to_input,
        (size.width, size.height),
        dst=out,
        flags=cv2.INTER_LINEAR,
        borderValue=fill,
    )
    return warped.astype(np.uint8, copy=False)


def _rectangle(
    scale: tuple[float, float], shift: tuple[float, float], size: Size, block: int
) -> tuple[int, int, int, int] | None:
    """The input's view as whole blocks of image pixels: x1, y1, x2, y2; None if it is no such."""
    edges = []
    for factor, offset, pixels in zip(scale, shift, (size.width, size.height), strict=True):
        start, extent = (-0.5 - offset) / factor + 0.5, pixels / factor
        first, count = round(start / block) * block, round(extent / block) * block
        # A thousandth of an image pixel, far below what bilinear sampling resolves.
        if abs(first - start) > 1e-3 or abs(count - extent) > 1e-3:
            return None
        edges.append((first, first + count))
    (x1, x2), (y1, y2) = edges
    return x1, y1, x2, y2


def _resized(
    image: Image,
    rectangle: tuple[int, int, int, int],
    size: Size,
    block: int,
    fill: tuple[int, int, int],
    out: Image | None,
) -> Image:
    """Resize a rectangle of whole blocks, which may reach beyond the image."""
    x1, y1, x2, y2 = rectangle
    height, width = image.shape[:2]
    left, top = max(x1, 0), max(y1, 0)
    columns = max(min(x2, width) - left, 0) // block
    rows = max(min(y2, height) - top, 0) // block
    if columns < 1 or rows < 1:
        return np.full((size.height, size.width, 3), fill, np.uint8)
    part = image[top : top + rows * block, left : left + columns * block]
    shape = (y2 - y1) // block, (x2 - x1) // block, 3
    if shape == (rows, columns, 3):
        small = _halved(part, rows)
    else:
        small = np.zeros(shape, np.uint8)
        if any(fill):
            small[:] = fill
        column, row = (left - x1) // block, (top - y1) // block
        _halved(part, rows, out=small[row : row + rows, column : column + columns])
    resized = cv2.resize(small, (size.width, size.height), dst=out, interpolation=cv2.INTER_LINEAR)
    return resized.astype(np.uint8, copy=False)


def _shrink(image: Image, to_input: Float64, size: Size, block: int) -> tuple[Image, Float64]:
    """Average `block x block` pixels in the part of the image that the input will see."""
    (a, b, tx), (c, d, ty) = to_input.tolist()
    x1, y1, x2, y2 = _seen(Size.of(image), to_input, size, 2 * block)
    columns, rows = (x2 - x1) // block, (y2 - y1) // block
    if columns < 1 or rows < 1:
        return image, to_input
    part = image[y1 : y1 + rows * block, x1 : x1 + columns * block]
    small = _halved(part, rows)
    # Pixel i of the small image covers pixels x1 + i * block ... of the large one.
    x0, y0 = x1 + (block - 1) / 2, y1 + (block - 1) / 2
    moved = [
        [a * block, b * block, a * x0 + b * y0 + tx],
        [c * block, d * block, c * x0 + d * y0 + ty],
    ]
    return small, np.array(moved)


def _seen(
    image_size: Size, to_input: Float64, size: Size, margin: int
) -> tuple[int, int, int, int]:
    """The pixels of the image that the input sees, and a margin: x1, y1, x2, y2."""
    # Plain floats: on four points NumPy would cost more than the shrinking itself.
    (a, b, tx), (c, d, ty) = to_input.tolist()
    determinant = a * d - b * c
    view = [(u - tx, v - ty) for u in (-0.5, size.width - 0.5) for v in (-0.5, size.height - 0.5)]
    across = [(d * u - b * v) / determinant for u, v in view]
    down = [(a * v - c * u) / determinant for u, v in view]
    x1, y1 = max(math.floor(min(across)) - margin, 0), max(math.floor(min(down)) - margin, 0)
    x2 = min(math.ceil(max(across)) + margin, image_size.width)
    y2 = min(math.ceil(max(down)) + margin, image_size.height)
    return x1, y1, x2, y2


def _within_reach(image: Image, to_input: Float64, size: Size) -> tuple[Image, Float64]:
    """The part of a long image that the input sees, its long sides averaged until short enough.

    Empty if the input sees nothing of it.
    """
    x1, y1, x2, y2 = _seen(Size.of(image), to_input, size, 2)
    part = image[y1 : max(y1, y2), x1 : max(x1, x2)]
    if part.size == 0:
        return part, to_input
    fx, fy = (-(-side // MAX_WARPED_SIDE) for side in (part.shape[1], part.shape[0]))
    if fx > 1 or fy > 1:
        columns, rows = part.shape[1] // fx, part.shape[0] // fy
        whole = part[: rows * fy, : columns * fx]
        part = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    # Pixel i of the part covers pixels x1 + i * fx ... of the image.
    to_image = np.array([[fx, 0, x1 + (fx - 1) / 2], [0, fy, y1 + (fy - 1) / 2]], np.float64)
    return part, geometry.compose(to_input, to_image)


def _halved(image: Image, rows: int, out: Image | None = None) -> Image:
    """Average blocks of 2 until so many rows are left, in a buffer if one is given."""
    if out is not None and image.shape[0] == rows:
        out[:] = image
    # Halving twice: a whole crop's warp takes 142 us, with blocks of 4 at once 295.
    while image.shape[0] > rows:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        last = out if half[1] == rows else None
        image = cv2.resize(image, half, dst=last, interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    return image


def mirror(image: Image) -> Image:
    """Left and right exchanged, in new memory: 13 us for 352x288 pixels, by indexing 437."""
    return cv2.flip(image, 1).astype(np.uint8, copy=False)


class Normalizer:
    """`(H, W, 3)` uint8 BGR crops to a `(1, 3, H, W)` float32 batch.

    Graphs that want pixels rather than planes get `(1, H, W, 3)`, and uint8 where they
    normalise by themselves. The batch is valid until the next call. One per worker.
    """

    def __init__(self, spec: InputSpec) -> None:
        self._scale = 1 / np.array(spec.std, np.float32)
        self._shift = -np.array(spec.mean, np.float32) * self._scale
        self._scales, self._shifts = self._scale[:, None], self._shift[:, None]
        self._flip = spec.colour == "rgb" and not spec.in_graph
        self._uint8, self._pixels = spec.dtype == "uint8", spec.layout == "nhwc"
        kept_as_it_is = self._uint8 and not self._flip
        self._batch: NDArray[Any] = np.empty(
            (0,) if kept_as_it_is else (1, *spec.shape), np.uint8 if self._uint8 else np.float32
        )
        self._planes = np.empty((3, spec.height, spec.width), np.uint8)
        self._flat, self._flat_batch = (a.reshape(3, -1) for a in (self._planes, self._batch))
        # Where the crop's channels go.
        self._split = list(self._planes[::-1] if self._flip else self._planes)
        self.crop = np.empty((spec.height, spec.width, 3), np.uint8)

    def __call__(self, crop: Image) -> NDArray[Any]:
        """Normalise a crop into the one buffer."""
        if self._uint8:
            if not self._flip:
                return crop[None]
            cv2.cvtColor(crop, cv2.COLOR_BGR2RGB, dst=self._batch[0])
            return self._batch
        if self._pixels:
            np.multiply(crop[..., ::-1] if self._flip else crop, self._scale, out=self._batch[0])
            self._batch += self._shift
            return self._batch
        cv2.split(crop, self._split)
        # All planes at once, converted first: 30 us, plane by plane 36.
        flat = self._flat_batch
        np.copyto(flat, self._flat)
        flat *= self._scales
        flat += self._shifts
        return self._batch


class Normalizers:
    """Every thread's own normalizers, one a size of input; safe to call from several threads.

    Those of the sizes used last are kept: images from one camera need one or two.
    """

    def __init__(self, spec: InputSpec) -> None:
        self._spec, self._local = spec, threading.local()

    def __call__(self, size: Size) -> Normalizer:
        """This thread's buffers for a size."""
        last: tuple[Size, Normalizer] | None = getattr(self._local, "last", None)
        if last is not None and last[0] is size:
            return last[1]
        kept: dict[Size, Normalizer] | None = getattr(self._local, "kept", None)
        if kept is None:
            kept = self._local.kept = {}
        normalizer = kept.pop(size, None)
        if normalizer is None:
            spec = msgspec.structs.replace(self._spec, width=size.width, height=size.height)
            normalizer = Normalizer(spec)
            if len(kept) == KEPT_SIZES:
                del kept[next(iter(kept))]
        kept[size] = normalizer
        self._local.last = size, normalizer
        return normalizer
