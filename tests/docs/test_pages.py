"""The pages say what is true of the tree: files, decisions, JSON, lengths."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import cv2
import msgspec
import pytest
import typer.main

import litepose_edge.cli.app
import litepose_export.cli.app
from litepose_edge import Estimator
from paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

sys.path.insert(0, str(ROOT / "docs" / "_site"))

import cli_reference
from result_documents import FrameLine, ImageLine, PosesDocument

ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
ROOT_DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES = [*ROOT_DOCUMENTS, *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_readme_has_at_most_700_words():
    assert len((ROOT / "README.md").read_text("utf-8").split()) <= 700


@pytest.mark.parametrize("path", ADRS, ids=lambda path: path.name)
def test_a_decision_is_short_and_named_by_its_title(path):
    lines = path.read_text("utf-8").splitlines()
    number, title = re.fullmatch(r"# (\d+)\. (.+)", lines[0]).groups()
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    assert path.name == f"{int(number):04d}-{slug}.md"
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 500
    text = "\n".join(lines)
    assert all(f"## {part}" in text for part in ("Context", "Decision", "Consequences"))


def test_decisions_are_numbered_without_gaps():
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))


def test_the_architecture_page_names_files_that_exist():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`([\w./-]+(?:\.py|\.md|\.sh|\.toml|\.json|/))`", text))
    assert len(named) > 60
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_the_architecture_page_has_every_package():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    packages = {
        str(path.parent.relative_to(ROOT))
        for folder in ("litepose_edge", "export/litepose_export")
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert sorted(package for package in packages if f"`{package}/`" not in text) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path):
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)", text)
    local = [t for t in targets if not t.startswith(("http:", "https:", "mailto:"))]
    generated = {"contributing.md", "changelog.md", "security.md"}
    assert sorted(t for t in local if t not in generated and not (path.parent / t).exists()) == []


def test_the_json_of_poses_fits_its_published_schema(photographs, tmp_path):
    image = cv2.imread(str(photographs / "astronaut.png"))
    with Estimator() as estimator:
        document = estimator.predict(image).to_json()
        assert msgspec.json.decode(document, type=PosesDocument).people[0].track_id is None
        small = cv2.resize(image, (256, 256))
        clip = tmp_path / "clip.avi"
        writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (256, 256))
        for _ in range(3):
            writer.write(small)
        writer.release()
    for source, line in ((photographs / "astronaut.png", ImageLine), (clip, FrameLine)):
        command = [sys.executable, "-c", "from litepose_edge.cli import main; main()"]
        done = subprocess.run(
            [*command, "predict", str(source), "--json"], capture_output=True, check=True
        )
        for text in done.stdout.splitlines():
            assert msgspec.json.decode(text, type=line).source == str(source)


def test_every_figure_in_the_readmes_table_is_a_measured_one():
    text = (ROOT / "README.md").read_text("utf-8")
    measured = json.loads((ROOT / "docs" / "results.json").read_text("utf-8"))["models"]
    beside = json.loads((ROOT / "docs" / "versus.json").read_text("utf-8"))["baselines"]
    own = {b["name"]: b["speed"]["1"]["mean_ms"] for b in beside if b["speed"]}
    names = {
        "lrpose-n": "litepose-edge, n",
        "lrpose-s": "litepose-edge",
        "lrpose-m": "litepose-edge, m",
    }
    for model in measured:
        if model["precision"] == "int8":
            row = re.search(rf"^\| .*`{model['model']}`.*$", text, re.MULTILINE).group()
            ms = own[names[model["model"]]]
            ap, size = model["given"]["ap"], model["size_bytes"]
            cells = [
                f"{ap:.3f}".lstrip("0"),
                f"{ms:.1f}",
                f"{1000 / ms:.0f}",
                f"{size / 1e6:.1f} MB",
            ]
            assert [cell.strip() for cell in row.split("|")[2:-1]] == cells


def test_the_project_has_urls():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {"Documentation", "Changelog", "Source"} <= set(project["urls"])


@pytest.mark.parametrize(
    "app", [litepose_edge.cli.app.app, litepose_export.cli.app.app], ids=lambda app: app.info.name
)
def test_the_command_line_page_has_every_option(app):
    page = cli_reference.markdown("<!-- commands -->")
    program = typer.main.get_command(app)
    for name, command in program.commands.items():
        section = page.split(f"### {program.name} {name}\n")[1].split("\n### ")[0]
        for parameter in command.params:
            for option in [*parameter.opts, *parameter.secondary_opts]:
                if option.startswith("--") and option != "--help":
                    assert f"`{option}`" in section, f"{name} {option}"
