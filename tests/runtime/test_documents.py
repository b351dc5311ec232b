"""What the documents name exists."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.processes import ROOT

DOCUMENTS = sorted({path for pattern in ("*.md", "[!.]*/*.md", "docs/**/*.md") for path in ROOT.glob(pattern)})


def test_every_variable_that_a_document_sets_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    known = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE))
    for document in ("README.md", "docs/auth0.md", "docs/hosts.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        assert set(re.findall(r"^([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)) - known == set(), document


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_to_a_file_and_a_heading(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        linked = document.parent / path if path else document
        assert linked.exists(), target
        if heading:
            assert heading in _anchors(linked.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "ja").glob("*.md")), ids=lambda path: path.name)
def test_a_japanese_page_has_the_headings_code_and_links_of_the_english_one(page: Path) -> None:
    english, japanese = (path.read_text(encoding="utf-8") for path in (ROOT / "docs" / page.name, page))
    blocks_and_headings = re.compile(r"^```.*?^```$|^#+ ", re.MULTILINE | re.DOTALL)
    assert blocks_and_headings.findall(japanese) == blocks_and_headings.findall(english)
    words = re.compile(r"`[^`\n]+`")
    assert sorted(words.findall(japanese)) == sorted(words.findall(english))
    english_links, japanese_links = map(_links, (ROOT / "docs" / page.name, page))
    assert japanese_links - {f"docs/{page.name}"} == english_links - {f"docs/ja/{page.name}"}


def test_the_article_page_has_the_variables_with_which_a_test_runs_the_articles_stack() -> None:
    names = re.compile(r"^([A-Z][A-Z0-9_]+)=", re.MULTILINE)
    page = (ROOT / "docs" / "from-the-article.md").read_text(encoding="utf-8")
    tested = (ROOT / "tests" / "e2e" / "agent" / "test_article.py").read_text(encoding="utf-8")
    assert names.findall(page) == names.findall(tested)


def _links(page: Path) -> set[str]:
    """What the page links to in this project. Another Japanese page counts as the English one."""
    targets = re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8"))
    paths = {os.path.relpath(page.parent / target, ROOT) for target in targets}
    own = os.path.relpath(page, ROOT)
    pair = own.replace("docs/", "docs/ja/") if "/ja/" not in own else own.replace("/ja/", "/")
    return {path if path == pair else path.replace("docs/ja/", "docs/") for path in paths}


def _anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
