"""The code of guides for application developers passes a strict type check, as users' code may."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from paths import ROOT

PAGES = ("README.md", *(f"docs/guides/{page}.md" for page in (
    "getting-started", "people-and-pictures", "solutions", "video",
)))  # fmt: skip


@pytest.mark.slow
def test_the_code_of_guides_passes_mypy_strict(tmp_path):
    for page in PAGES:
        # A page's blocks are one script; each of the README's begins anew.
        blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
        (tmp_path / f"{page.split('/')[-1].removesuffix('.md').replace('-', '_')}.py").write_text(
            "\n".join(blocks)
        )
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", *tmp_path.glob("*.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if "error:" in line]
    assert [line for line in lines if "pandas" not in line] == []  # it is not installed here
