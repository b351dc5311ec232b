"""The Japanese README says what the English one says: the same sections, commands, links, pictures and numbers."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.support.processes import ROOT

BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


def prose(name: str) -> str:
    """The text without its code blocks, and without the link to the other language."""
    text = BLOCK.sub("", (ROOT / name).read_text(encoding="utf-8"))
    return re.sub(r"^\[\S+\]\(README(\.ja)?\.md\)$", "", text, flags=re.MULTILINE)


def levels(name: str) -> list[int]:
    return [len(level) for level, _ in HEADING.findall(prose(name))]


def code_blocks(name: str) -> list[str]:
    """The blocks, without the comments at the ends of lines."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [re.sub(r"  +# .*$", "", block, flags=re.MULTILINE) for block in BLOCK.findall(text)]


def in_each_section(pattern: str) -> Callable[[str], list[list[str]]]:
    def found(name: str) -> list[list[str]]:
        parts = HEADING.split(prose(name))[3::3]
        return [sorted(set(re.findall(pattern, part))) for part in parts]

    return found


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(levels, id="headings"),
        pytest.param(code_blocks, id="commands and code"),
        pytest.param(in_each_section(r"`[^`]+`"), id="names in code"),
        pytest.param(in_each_section(r"\]\(([^)\s]+)\)"), id="links"),
        pytest.param(in_each_section(r'(?:src|srcset)="([^"]+)"'), id="pictures"),
        pytest.param(in_each_section(r"(?<![\w.])\d{2,}(?![\w.])"), id="numbers"),
        pytest.param(in_each_section(r"\*\*[^*]+\*\*"), id="words in bold"),
    ],
)
def test_both_languages_have_the_same(what: Callable[[str], object]) -> None:
    assert what("README.ja.md") == what("README.md")


def test_each_language_links_to_the_other() -> None:
    assert "](README.ja.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](README.md)" in (ROOT / "README.ja.md").read_text(encoding="utf-8")
