"""Words that were given up stay out of what users and newcomers read; the glossary has the list."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.main

import litepose_edge.cli.app
import litepose_export.cli.app
from litepose_edge.manifest import Manifest
from paths import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
PYTHON = sorted(
    path
    for folder in ("litepose_edge", "export", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
PACKAGES = [path for path in PYTHON if "litepose_" in str(path.relative_to(ROOT))]
PROSE = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]


def retired(kind: str) -> list[str]:
    """The terms of one list of the glossary, without what is said in their place."""
    block = re.search(rf"```text retired-{kind}\n(.*?)```", GLOSSARY.read_text("utf-8"), re.DOTALL)
    assert block is not None
    terms = [line.split("->")[0].strip() for line in block.group(1).splitlines()]
    return [term for line in terms if line for term in line.split(", ")]


def pattern(terms: list[str]) -> re.Pattern[str]:
    """Any of the terms as whole words, whether joined by spaces, hyphens or underscores."""
    spelled = "|".join(
        re.escape(term).replace("_", r"[ _-]").replace(r"\ ", r"[\s_-]+") for term in terms
    )
    return re.compile(rf"(?<![a-z])(?:{spelled})(?![a-z])", re.IGNORECASE)


IN_PROSE = pattern(retired("words"))
IN_IDENTIFIERS = pattern(retired("words") + retired("identifiers"))


def snake(identifier: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", identifier).lower()


def test_the_list_finds_what_it_is_for():
    assert retired("words")
    assert IN_PROSE.search("no phantom person")
    assert IN_PROSE.search("a second look at it")
    assert IN_IDENTIFIERS.search(snake("SecondLook"))
    assert IN_IDENTIFIERS.search("_min_belief")
    assert not IN_PROSE.search("the option is believable")
    assert not IN_IDENTIFIERS.search("following_frames")


def test_manifest_fields_are_free_of_retired_words():
    schema = json.dumps(msgspec.json.schema(Manifest))
    names = re.findall(r'"([A-Za-z_]+)":', schema)
    assert names
    assert [name for name in names if IN_IDENTIFIERS.search(snake(name))] == []
    assert IN_PROSE.findall(schema) == []


def commands() -> list[Any]:
    found = []
    for app in (litepose_edge.cli.app.app, litepose_export.cli.app.app):
        program = typer.main.get_command(app)
        for name, command in program.commands.items():
            found.append(pytest.param(command, id=f"{program.name} {name}"))
    return found


@pytest.mark.parametrize("command", commands())
def test_a_commands_help_is_free_of_retired_words(command):
    texts = [command.help or ""]
    for parameter in command.params:
        texts += [*parameter.opts, *parameter.secondary_opts, parameter.help or ""]
    assert IN_PROSE.findall("\n".join(texts)) == []


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_identifiers_are_free_of_retired_words(path):
    names = {path.stem, *identifiers(path)}
    assert sorted(name for name in names if IN_IDENTIFIERS.search(snake(name))) == []


def identifiers(path: Path) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type == tokenize.NAME:
            yield token.string


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_docstrings_are_free_of_retired_words(path):
    assert IN_PROSE.findall("\n".join(docstrings(ast.parse(path.read_text("utf-8"))))) == []


def docstrings(tree: ast.Module) -> Iterator[str]:
    """Docstrings of the module and of everything in it whose name has no leading underscore."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""
            waiting += [
                child
                for child in node.body
                if isinstance(child, ast.ClassDef | ast.FunctionDef)
                and not child.name.startswith("_")
            ]


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_readme_and_guides_are_free_of_retired_words(path):
    assert IN_PROSE.findall(path.read_text("utf-8")) == []
