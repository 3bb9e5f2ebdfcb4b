"""Tells PyInstaller that applications need the bundled models; it finds this by an entry point."""

from pathlib import Path


def hook_dirs() -> list[str]:
    """Where PyInstaller finds the hook."""
    return [str(Path(__file__).parent)]
