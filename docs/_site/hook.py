"""What the site holds besides the written pages: README, root documents, CLI, JSON schemas, ADRs.

MkDocs calls these functions by their names (`hooks` in mkdocs.yml).
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))

import cli_reference
import json_schemas

ROOT = Path(__file__).parents[2]
ROOT_PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
# A file of the repository that is no page of the site is named, not linked.
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the parts of the navigation that are lists of files."""
    docs = Path(config.docs_dir)
    config.nav = [_filled(entry, docs) for entry in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents of the repository's root as pages."""
    for source, page in ROOT_PAGES.items():
        text = (ROOT / source).read_text("utf-8")
        files.append(File.generated(config, page, content=_from_root(text, page)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put in what is generated; name files that are not part of the site."""
    here = page.file.src_uri
    if here == "index.md":
        markdown = _from_root((ROOT / "README.md").read_text("utf-8"), here)
    generated = {
        "reference/cli.md": cli_reference.markdown,
        "reference/json.md": json_schemas.markdown,
        "reference/manifest.md": json_schemas.markdown,
    }
    if here in generated:
        markdown = generated[here](markdown)
    return _without_foreign_links(markdown, here, files)


def _filled(entry: object, docs: Path) -> object:
    if not isinstance(entry, dict):
        return entry
    ((title, value),) = entry.items()
    if isinstance(value, list):
        return {title: [_filled(item, docs) for item in value]}
    if not str(value).endswith("/"):
        return entry
    pages = sorted((docs / value).glob("*.md"), key=lambda path: (path.stem != "index", path.name))
    return {title: [f"{value}{path.name}" for path in pages]}


def _from_root(text: str, page: str) -> str:
    """Links of a document in the repository's root, as a page of the site has them."""

    def moved(match: re.Match[str]) -> str:
        start, target = match.group(1), match.group(2)
        if target in ROOT_PAGES:
            return f"{start}{ROOT_PAGES[target]}"
        if target == "README.md":
            return f"{start}index.md"
        if target.startswith("docs/"):
            return f"{start}{target.removeprefix('docs/')}"
        if target.startswith(("http:", "https:", "#")):
            return match.group(0)
        return f"{start}../{target}"

    return re.sub(r"(\]\()([^)\s#]+)", moved, text)


def _without_foreign_links(markdown: str, here: str, files: Files) -> str:
    """A link to a file outside the site becomes its name."""

    def named(match: re.Match[str]) -> str:
        text, target = match.group(1), match.group(2)
        if target.startswith(("http:", "https:", "mailto:")):
            return match.group(0)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
        if files.get_file_from_path(path) is not None:
            return match.group(0)
        inside = (ROOT / "docs" / path).resolve()
        if not inside.exists():
            return match.group(0)  # broken: MkDocs says so
        return text if "`" in text else f"{text} (`{inside.relative_to(ROOT)}`)"

    return LINK.sub(named, markdown)
