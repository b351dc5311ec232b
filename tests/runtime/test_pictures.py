"""The pictures of the documents are those of their sources."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import pictures

SOURCES = sorted(pictures.PICTURES.glob("*.mmd"))


@pytest.mark.parametrize("theme", pictures.THEMES)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_diagram_is_drawn_from_its_source(source: Path, theme: str) -> None:
    drawn = source.with_name(f"{source.stem}-{theme}.svg").read_text(encoding="utf-8")
    assert f"<!-- {source.name} {pictures.digest(source)} -->" in drawn, "`make docs DO=pictures` draws it again"


@pytest.mark.parametrize("theme", pictures.THEMES)
def test_the_recording_of_the_demo_has_its_five_steps_and_no_secret(theme: str) -> None:
    text = re.sub(r"<[^>]+>", "", (pictures.PICTURES / f"demo-{theme}.svg").read_text(encoding="utf-8"))
    assert [f"{number}." in text for number in range(1, 6)] == [True] * 5
    assert "401" in text
    assert "403" in text
    assert not re.search(r"(access_token|client_secret|code|code_verifier)=(?!\*\*\*)\w", text)


def test_a_recording_colours_lines_cuts_them_and_keeps_their_characters() -> None:
    lines = [(0.0, "\x1b[31m<401>\x1b[0m & more"), (0.5, "x" * 200)]
    drawn = pictures.recording(lines, pictures.THEMES["light"])
    assert '<tspan fill="#cf222e">&lt;401&gt;</tspan><tspan> &amp; more</tspan>' in drawn
    assert f"{'x' * (pictures.COLUMNS - 1)}…<" in drawn
