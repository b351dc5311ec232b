"""What all pages share."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import griffe

ROOT = Path(__file__).parents[2]

COMMAND = ".venv/bin/python scripts/pages"


def head(title: str, text: str) -> str:
    """The beginning of a page."""
    words = re.sub(r"\s+", " ", f"Made from the code by `{COMMAND}`. {text}")
    return f"# {title}\n\n{wrapped(words)}\n"


def wrapped(text: str, indent: str = "") -> str:
    """The text in lines of at most 120 characters."""
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. A cell may have several lines of text, and a `|`."""
    lines = [titles, ["---"] * len(titles), *rows]
    cells = [[re.sub(r"\s+", " ", cell).strip().replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def code(text: str) -> str:
    """The text as code; nothing for an empty text."""
    return f"`{text}`" if text else ""


@cache
def package(name: str, folder: str) -> griffe.Module:
    """All modules of the package in that folder of the project. To read them takes long."""
    found = griffe.load(name, search_paths=[ROOT / folder / "src"], docstring_parser="google")
    assert isinstance(found, griffe.Module)
    return found


def attributes(thing: griffe.Object) -> dict[str, str]:
    """The descriptions in the section `Attributes` of a docstring."""
    sections = thing.docstring.parsed if thing.docstring else ()
    return {
        each.name: each.description
        for section in sections
        if section.kind.value == "attributes"
        for each in section.value
    }


def joined(parts: Iterable[str]) -> str:
    """The text of a page from its parts."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"
