"""The units for systemd are valid, and leave a service few rights."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from paths import ROOT

ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSED = 2.5  # of 10, by systemd's own reckoning


@pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ["litepose-live.service", "litepose-camera.service"])
def test_a_unit_is_valid_and_has_few_rights(name, tmp_path):
    unit = tmp_path / name
    text = (ROOT / "examples" / "board" / name).read_text()
    # The program is not installed where tests run.
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text))
    verified = _analyze("verify", str(unit))
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = _analyze("security", "--offline=true", str(unit))
    if "Unknown" in rated.stderr or "unrecognized" in rated.stderr:
        pytest.skip("this systemd cannot rate files")
    level = re.search(r"exposure level for \S+: ([\d.]+)", rated.stdout)
    assert level is not None, rated.stdout + rated.stderr
    assert float(level[1]) <= MOST_EXPOSED


def _analyze(*words: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    return subprocess.run([ANALYZE, *words], capture_output=True, text=True, timeout=60)
