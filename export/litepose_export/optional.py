"""Optional packages: a missing one becomes an error that says how to install it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from litepose_edge.errors import BackendUnavailableError, install_hint


@contextmanager
def requires(extra: str) -> Iterator[None]:
    """Imports inside say how to install a package that is missing.

    Args:
        extra: The extra that brings the packages.

    Raises:
        BackendUnavailableError: A third-party package is not installed.
    """
    try:
        yield
    except BackendUnavailableError:
        raise
    except ImportError as exc:
        package = (exc.name or "").partition(".")[0]
        if package in ("", "litepose_edge", "litepose_export"):
            raise  # a fault of ours, which no installation would mend
        raise BackendUnavailableError(f"{package} is not installed. {install_hint(extra)}") from exc
