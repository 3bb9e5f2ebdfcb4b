"""Recipes use options that exist."""

from __future__ import annotations

import re

import pytest
import typer

from litepose_edge.cli import app as runtime
from litepose_export.cli import app as exporter
from paths import ROOT

RECIPES = ROOT / "export" / "recipes"
COMMAND = re.compile(r"litepose-(edge|export) ([a-z-]+)")


def options_of(app):
    return {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in typer.main.get_command(app.app).commands.items()
    }


@pytest.mark.parametrize("recipe", sorted(RECIPES.rglob("*.sh")), ids=lambda path: path.stem)
def test_every_option_of_a_recipe_exists(recipe):
    known = {"edge": options_of(runtime), "export": options_of(exporter)}
    text = recipe.read_text("utf-8")
    for sourced in re.findall(r"^\. .*/(\w+)\.sh", text, re.MULTILINE):
        text += (RECIPES / "steps" / f"{sourced}.sh").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.lstrip()[:1] != "#"]
    scripts = re.findall(r"/(\w+)\.py", "\n".join(lines))
    text = "".join((RECIPES / "steps" / f"{name}.py").read_text("utf-8") for name in scripts)
    expected = set(re.findall(r'"(--[a-z-]+)"', text))
    for package, command in COMMAND.findall("\n".join(lines)):
        expected |= known[package][command]
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", "\n".join(lines)))
    assert used <= expected
