"""The site of the documents (`make docs`): Sphinx reads the Markdown files as GitHub shows them.

The folder that Sphinx reads is the whole project, so that relative links also lead to pages outside of docs/. The
tables of contents are the links of the README.md files in docs/: a page that none of them names fails the build.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
INDEX = "docs/README"
JAPANESE = "Gatehouse (日本語)"
"""The README in Japanese, in the contents: its title is that of the English one."""

project = "Gatehouse"
author = "the Gatehouse project"
root_doc = INDEX
include_patterns = ["*.md", "docs/*.md", "docs/**/*.md", "[!.]*/README.md", "mock-idp/*.md"]
extensions = ["myst_parser"]
myst_heading_anchors = 6
html_theme = "furo"
html_title = "Gatehouse"
html_additional_pages = {"index": "to_the_index.html"}
templates_path = ["templates"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_permalinks_icon = "#"
html_copy_source = False
html_show_copyright = False

_SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_PAGE = re.compile(r"\]\((?!\w+:)([^)#\s]+)\.md\)")
_LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:)([^)#\s]+)\)")
_PICTURE = re.compile(r"\b(?:src|srcset)=\"(?!\w+:)([^\"\s]+)\"")


def setup(app: Any) -> None:  # noqa: ANN401 - Sphinx is not a package of this project's environment
    """Called by Sphinx."""
    app.connect("source-read", _unlink_folders)
    app.connect("source-read", _add_contents)
    app.connect("build-finished", _copy_pictures)


def _unlink_folders(app: Any, page: str, source: list[str]) -> None:  # noqa: ANN401
    """Keep only the text of a link to a folder: GitHub lists the files of a folder, the site does not."""
    here = Path(app.env.doc2path(page)).parent
    source[0] = _LINK.sub(lambda link: link[1] if (here / link[2]).is_dir() else link[0], source[0])


def _add_contents(app: Any, page: str, source: list[str]) -> None:  # noqa: ANN401
    """Add the tables of contents to a README.md in docs/: one for each of its sections, or one for all of it."""
    if not (page.startswith("docs/") and page.endswith("/README")):
        return
    for caption, body in _SECTION.findall(source[0]) or [("", source[0])]:
        pages = [
            f"{JAPANESE} <{each}>" if each.endswith(".ja") else each for each in dict.fromkeys(_PAGE.findall(body))
        ]
        if pages:
            lines = ["", "```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else []), "", *pages, "```"]
            source[0] += "\n".join(lines) + "\n"


def _copy_pictures(app: Any, error: Exception | None) -> None:  # noqa: ANN401
    """Copy the pictures of HTML tags, such as <picture>: Sphinx knows only those of Markdown."""
    for page in () if error else app.env.found_docs:
        path = Path(app.env.doc2path(page))
        for name in _PICTURE.findall(path.read_text(encoding="utf-8")):
            picture = (path.parent / name).resolve()
            copy = Path(app.outdir) / picture.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, copy)
