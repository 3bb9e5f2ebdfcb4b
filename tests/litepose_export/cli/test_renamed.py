"""Options that were renamed end with exit code 2 and name the new option."""

from __future__ import annotations

import re

import pytest

from litepose_export.cli import app
from litepose_export.cli.renamed import RENAMED_OPTIONS


@pytest.mark.parametrize(("old", "new"), RENAMED_OPTIONS.items())
def test_an_old_option_names_the_new_one_and_runs_nothing(old, new, capsys):
    assert app.run(["quantize", "missing.onnx", old]) == 2
    assert new in capsys.readouterr().err


def test_new_options_exist_and_old_ones_do_not(capsys):
    for command in app.app.registered_commands:
        assert app.run([command.name, "--help"]) == 0
    options = set(re.findall(r"--[a-z0-9-]+", capsys.readouterr().out))
    assert {new.split()[0] for new in RENAMED_OPTIONS.values()} <= options
    assert not options & set(RENAMED_OPTIONS)
