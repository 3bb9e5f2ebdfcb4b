"""One image as callers have it: a path, encoded bytes, a PIL image, an array."""

from __future__ import annotations

import io
import math
from os import PathLike
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import InvalidImageError

Colour = Literal["bgr", "rgb"]


class PilImage(Protocol):
    """What is needed of a `PIL.Image.Image`."""

    @property
    def mode(self) -> str:
        """How its pixels are laid out."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""

    def convert(self, mode: str, /) -> Any:
        """The same picture in another mode."""


# None is what `cv2.imread` gives for a file that it cannot read; it is refused.
ImageLike = str | PathLike[str] | bytes | PilImage | NDArray[Any] | None
# Whole numbers of PIL's modes that `convert` would cut off at 255, and floats.
DEEP_MODES = ("I", "F")
CHANNELS = (1, 3, 4)
MAX_PIXELS = 100_000_000  # of an image, unless a caller says so


def read_input(
    image: object, *, colour: Colour = "bgr", max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """An image as a C-contiguous `(H, W, 3)` uint8 BGR array.

    Args:
        image: The path of a picture, its encoded bytes, a PIL image (as it is: its EXIF
            orientation is not applied), or an `(H, W, 3)` uint8 array.
        colour: Order of an array's channels; files and PIL images know theirs.
        max_pixels: Larger images are refused, before they are copied or decoded.

    Raises:
        InvalidImageError: It is nothing of the kind, or too large; the message has the line that
            makes an image of an array or tensor.
        SourceError: The file is missing, no image, damaged or too large.
        ValueError: `colour` is neither.
    """
    check_colour(colour)
    if not isinstance(image, np.ndarray):
        if isinstance(image, str | PathLike | bytes | bytearray | memoryview):
            # A caller with frames in memory need not wait for the import.
            from litepose_edge.sources import images

            if isinstance(image, str | PathLike):
                return images.read_image(image, max_pixels=max_pixels)
            return images.decode_image(bytes(image), max_pixels=max_pixels)
        if is_pil_image(image):
            return _of_pil(image, max_pixels)
    array = check_array(image, max_pixels)
    return np.ascontiguousarray(array[..., ::-1] if colour == "rgb" else array)


def check_colour(colour: Colour) -> Colour:
    """An order of channels as a caller gave it.

    Raises:
        ValueError: It is none.
    """
    if colour not in ("bgr", "rgb"):
        raise ValueError(f"colour must be 'bgr' or 'rgb', got {colour!r:.100}")
    return colour


def check_array(image: object, max_pixels: float = math.inf) -> NDArray[np.uint8]:
    """The array itself, if it is one of an image.

    Raises:
        InvalidImageError: It is not a non-empty `(H, W, 3)` uint8 array, or too large.
    """
    if not isinstance(image, np.ndarray):
        raise InvalidImageError(
            f"expected an (H, W, 3) uint8 image, got {_called(image)}{_mend(image)}"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InvalidImageError(
            f"expected a non-empty (H, W, 3) uint8 image, got {_called(image)}{_mend(image)}"
        )
    _check_size(image.shape[1], image.shape[0], max_pixels)
    return image


def is_pil_image(image: object) -> bool:
    """Whether it is a PIL image, without importing PIL."""
    return any(kind.__module__ == "PIL.Image" for kind in type(image).__mro__)


def _of_pil(image: Any, max_pixels: int) -> NDArray[np.uint8]:
    width, height = image.size
    if image.mode.startswith(DEEP_MODES):
        raise InvalidImageError(
            f"expected a PIL image of 8 bits a channel, got mode '{image.mode}': scale its values "
            "to 0..255 first"
        )
    if not width * height:
        raise InvalidImageError(f"expected a non-empty image, got a PIL image of {image.size}")
    _check_size(width, height, max_pixels)
    try:
        picture = image.convert("RGB")
    except ValueError as exc:
        raise InvalidImageError(
            f"PIL makes no RGB image of mode '{image.mode}': {exc}. Convert it: "
            "frame.convert('RGBA')"
        ) from exc
    return np.ascontiguousarray(np.asarray(picture, np.uint8)[..., ::-1])


def _check_size(width: int, height: int, max_pixels: float) -> None:
    # This way round, NaN refuses.
    if not height * width <= max_pixels:
        raise InvalidImageError(
            f"the {width}x{height} frame has more than {max_pixels} pixels (max_pixels)"
        )


def _called(image: object) -> str:
    """What came: shape and kind of numbers of an array or tensor, else its type."""
    try:
        numbers = f"{tuple(image.shape)} {str(image.dtype).rpartition('.')[2]}"  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - no array, whatever else has such attributes
        return type(image).__name__
    if isinstance(image, np.ndarray):
        return numbers
    return f"a {type(image).__module__.split('.')[0]} {type(image).__name__} {numbers}"


def _mend(image: object) -> str:
    """How to make an image of it, as the end of a sentence; nothing where that is not known."""
    if image is None:
        return "; did cv2.imread fail to read the file?"
    if isinstance(image, list | tuple):
        return "; several images go to predict_batch"
    if isinstance(image, io.IOBase):  # an open file, or bytes in memory
        return ". Give its bytes: frame.read()"
    try:
        code = _conversion(image)
    except Exception:  # noqa: BLE001 - a tensor of its own ways: no help is no error
        return ""
    return f". Convert it: {code}" if code else ""


def _conversion(image: Any) -> str:
    """Python that makes an image of `frame`, an array or tensor; nothing where none would."""
    if type(image).__name__ == "UMat":
        return "frame.get()"
    code, array = _as_array(image)
    if not array.size or array.ndim not in (2, 3, 4):
        return ""
    if array.ndim == 4:
        if len(array) > 1:
            return "one at a time, such as frame[0], or all with predict_batch(list(frames))"
        code, array = f"{code}[0]", array[0]
    planes = array.ndim == 3 and array.shape[0] in CHANNELS and array.shape[2] not in CHANNELS
    if planes:
        code, array = f"{code}.transpose(1, 2, 0)", array.transpose(1, 2, 0)
    channels = 1 if array.ndim == 2 else array.shape[-1]
    if array.ndim not in (2, 3) or channels not in CHANNELS:
        return ""
    if array.dtype.kind == "f" and not array.min() >= 0:
        return "undo its normalization first, so that its values are those of pixels"
    code = _with_channels(_as_bytes(code, array), channels)
    # OpenCV gives none of these: their channels are mostly in the other order.
    foreign = planes or array.dtype.kind == "f" or not isinstance(image, np.ndarray)
    if code and foreign and channels != 1:
        code += ", with colour='rgb' if its channels are R, G, B"
    return code


def _as_array(image: Any) -> tuple[str, NDArray[Any]]:
    """A tensor of another library as an array, and the code for it."""
    if isinstance(image, np.ndarray):
        return "frame", image
    if hasattr(image, "detach"):  # a torch tensor, which may need gradients or lie on a device
        if str(image.dtype) == "torch.bfloat16":  # NumPy has none
            return "frame.detach().float().cpu().numpy()", image.detach().float().cpu().numpy()
        return "frame.detach().cpu().numpy()", image.detach().cpu().numpy()
    if hasattr(image, "__array__"):
        return "np.asarray(frame)", np.asarray(image)
    raise TypeError


def _with_channels(code: str, channels: int) -> str:
    """The code, and what makes three channels of one or four."""
    names = {1: "GRAY", 4: "BGRA"}
    if not code or channels not in names:
        return code
    return f"cv2.cvtColor({code}, cv2.COLOR_{names[channels]}2BGR)"


def _as_bytes(code: str, image: NDArray[Any]) -> str:
    """The code, and what makes uint8 of its values; nothing where they are no pixels."""
    match image.dtype.kind:
        case "u" | "i" if image.dtype == np.uint8:
            return code
        case "u" if image.dtype == np.uint16:
            return f"({code} // 257).astype(np.uint8)"
        case "b":
            return f"{code}.astype(np.uint8) * 255"
        case "u" | "i":
            return f"{code}.clip(0, 255).astype(np.uint8)"
        case "f":
            scaled = f"({code} * 255)" if image.max() <= 1 else code
            return f"{scaled}.clip(0, 255).astype(np.uint8)"
    return ""
