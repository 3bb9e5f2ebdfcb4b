"""Code blocks of README and guides run; commands that cannot run here are at least known.

An HTML comment right before a block says why it is not run (`<!-- not run: needs a camera -->`) or
with which marker its page is (`<!-- marker: export -->`). The Python blocks of a page are one
script, in order; so are its shell blocks, after them.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

import litepose_edge.cli.app
import litepose_export.cli.app
from paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
ALL_PAGES = [*PAGES, *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
BLOCK = re.compile(r"(?:<!-- ([^\n]*?) -->\n+)?```(\w+)[^\n]*\n(.*?)```", re.DOTALL)
COMMANDS: dict[str, Any] = {
    "litepose-edge": typer.main.get_command(litepose_edge.cli.app.app),
    "litepose-export": typer.main.get_command(litepose_export.cli.app.app),
}
LANGUAGES = {"python", "sh", "text", "json", "make", "js", "cpp", "csharp", "java", "rust"}


@dataclass(frozen=True)
class Block:
    note: str
    language: str
    text: str

    @property
    def runs(self) -> bool:
        return self.language in ("python", "sh") and not self.note.startswith("not run")


def blocks(page: Path) -> list[Block]:
    return [Block(n or "", lang, text) for n, lang, text in BLOCK.findall(page.read_text("utf-8"))]


def pages() -> list[Any]:
    chosen = []
    for page in PAGES:
        running = [block for block in blocks(page) if block.runs]
        markers = {b.note.removeprefix("marker: ") for b in running if b.note.startswith("marker")}
        if running:
            marks = [getattr(pytest.mark, marker) for marker in sorted(markers)]
            chosen.append(pytest.param(page, id=page.name, marks=marks))
    return chosen


@pytest.mark.parametrize("page", pages())
def test_the_code_of_a_page_runs(page, workplace):
    running = [block for block in blocks(page) if block.runs]
    python = "\n".join(block.text for block in running if block.language == "python")
    shell = "\n".join(block.text for block in running if block.language == "sh")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "LITEPOSE_ROOT": str(ROOT)}
    for command in ([sys.executable, "-c", python], ["bash", "-euo", "pipefail", "-c", shell]):
        done = subprocess.run(
            command, cwd=workplace, env=environment, capture_output=True, text=True, timeout=540
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_a_page_names_commands_and_options_that_exist(page):
    for line in command_lines(page):
        program, name, *arguments = shlex.split(line, comments=True)
        commands = COMMANDS[program].commands
        if name == "--help":
            continue
        assert name in commands, f"{page.name}: {program} has no command '{name}'"
        known = {o for p in commands[name].params for o in [*p.opts, *p.secondary_opts]}
        for argument in arguments:
            option = argument.split("=")[0]
            if option.startswith("--"):
                assert option in {*known, "--help"}, f"{page.name}: {program} {name} {option}"


def command_lines(page: Path) -> list[str]:
    """Command lines in shell blocks, indented blocks and inline code."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    lines = re.findall(r"^\s*(?:\S+=\S+ )*(litepose-(?:edge|export) [^\n]*)", text, re.MULTILINE)
    lines += re.findall(r"`(litepose-(?:edge|export) [a-z][^`\n]*)`", text)
    return [line.split(" | ")[0].split(" && ")[0].split("`")[0] for line in lines]


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_a_fenced_block_says_its_language(page):
    fences = re.findall(r"^\s*```(.*)$", page.read_text("utf-8"), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert all(opening.split()[0] in LANGUAGES for opening in fences[::2])
