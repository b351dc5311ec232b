"""The files in mock-idp/RECIPES.md or another page, as a reader copies them."""

from __future__ import annotations

import re
from pathlib import Path

RECIPES = Path(__file__).parents[2] / "mock-idp" / "RECIPES.md"


def recipe(section: str, page: Path = RECIPES) -> dict[str, str]:
    """The files of a section, by the name in the first line of each block."""
    text = page.read_text(encoding="utf-8")
    (body,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    files = re.findall(r"^```\w+\n(?:#|//) (\S+)\n(.*?)^```$", body, re.MULTILINE | re.DOTALL)
    assert files, f"the section {section} has no file"
    return dict(files)


def commands(section: str) -> list[str]:
    """The indented commands of a section; a command may have several lines."""
    text = RECIPES.read_text(encoding="utf-8")
    (body,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for line in body.replace("\\\n", " ").splitlines() if line.startswith("    ")]
    return [re.sub(r"\s+", " ", line) for line in lines]


def write(section: str, folder: Path, page: Path = RECIPES) -> None:
    """Write the files of a section into a folder."""
    for name, text in recipe(section, page).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
