"""Which of OpenCV's packages are installed: they share one folder, so there should be one."""

from __future__ import annotations

import importlib.metadata

NAMES = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


def opencv_packages() -> dict[str, str]:
    """Names and versions of those that are installed by a package manager."""
    found = {}
    for name in NAMES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def advice(found: dict[str, str]) -> tuple[str, ...]:
    """What to do about more than one, in full sentences; nothing where there is one or none."""
    if len(found) < 2:
        return ()
    names = " and ".join(f"{name} {version}" for name, version in found.items())
    return (
        f"{names} are installed and write into the same folder, so which one runs is chance, and "
        f"removing one breaks the other: pip uninstall {' '.join(found)}, then install the one "
        "that you want.",
    )
