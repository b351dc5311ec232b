"""What the documents name exists."""

from __future__ import annotations

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
    links = re.findall(r"\]\(([^)]+)\)", english.replace(f"](ja/{page.name})", ""))
    assert sorted(re.findall(r"\]\(\.\./([^)]+)\)", japanese.replace(f"](../{page.name})", ""))) == sorted(links)


def _anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
