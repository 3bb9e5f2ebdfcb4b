"""Every exception this library raises on purpose, in one tree.

Each has a built-in second base, so `except ValueError` and the like keep working.
"""

from __future__ import annotations

LONGEST_MESSAGE = 2000


def install_hint(extra: str) -> str:
    """How to install an optional part, from an index and from a checkout of the project.

    Args:
        extra: Name of the extra, such as `"export"`.
    """
    return f"Run: pip install 'litepose-edge[{extra}]' (in a checkout: pip install '.[{extra}]')"


class LitePoseError(Exception):
    """Root of all errors raised by litepose_edge and litepose_export."""

    def __str__(self) -> str:
        # One line that can be read, whatever it quotes: an array, a name, what an engine says.
        message = " ".join(Exception.__str__(self).split())
        if len(message) <= LONGEST_MESSAGE:
            return message
        half = LONGEST_MESSAGE // 2
        return f"{message[:half]} ... {message[-half:]}"


class InvalidImageError(LitePoseError, ValueError):
    """The frame is not an `(H, W, 3)` uint8 BGR image."""


class InvalidBoxError(LitePoseError, ValueError):
    """A box is not finite, not ordered, or does not touch the image."""


class SourceError(LitePoseError, OSError):
    """An image, video or camera could not be read."""


class OutputError(LitePoseError, OSError):
    """A result could not be written; nothing half-written is left behind."""


class WorkerError(LitePoseError, RuntimeError):
    """Worker processes of a labelling run die or fail, and no input is to blame."""


class BackendUnavailableError(LitePoseError, ImportError):
    """An optional package is missing; the message names the pip command."""


class SkeletonError(LitePoseError, ValueError):
    """A file's keypoint set contradicts itself, or there is none in it."""


class UnknownKeypointError(LitePoseError, KeyError):
    """A keypoint set has no keypoint of this name."""


class ModelError(LitePoseError):
    """A model file cannot be used."""


class ManifestError(ModelError, ValueError):
    """The description inside (or beside) the model is missing, malformed or too new."""


class ModelFileMissingError(ModelError, FileNotFoundError):
    """There is no model file at this path or of this bundled name."""


class ModelIntegrityError(ModelError):
    """The model's bytes are not the ones that were published."""


class UnsupportedModelError(ModelError):
    """The model is sound but asks for something this version does not do."""
