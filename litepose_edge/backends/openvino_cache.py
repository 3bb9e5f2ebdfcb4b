"""Where OpenVINO keeps compiled networks, so that the next start need not compile them again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "LITEPOSE_EDGE_CACHE"
# OpenVINO never deletes: every version of a model, of OpenVINO and of the options leaves a file.
MAX_FILES = 64


def folder() -> Path | None:
    """The folder, made and tidied; None where there can be none or the user wants none.

    The environment variable `LITEPOSE_EDGE_CACHE` names another one; empty, it turns the cache
    off.
    """
    wanted = os.environ.get(VARIABLE)
    if wanted == "":
        return None
    try:
        path = (Path(wanted) if wanted else _users_caches() / "litepose-edge") / "openvino"
        path.mkdir(parents=True, exist_ok=True)
        _delete_oldest(path)
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return None
    return path if os.access(path, os.W_OK) else None


def _users_caches() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _delete_oldest(path: Path) -> None:
    blobs = sorted(path.glob("*.blob"), key=lambda blob: blob.stat().st_mtime, reverse=True)
    for blob in blobs[MAX_FILES:]:
        blob.unlink(missing_ok=True)
