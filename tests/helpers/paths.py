"""Where the checkout and the shared data lie, for every test whatever its folder."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
HELPERS = Path(__file__).parent
