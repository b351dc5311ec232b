"""The pages of docs/ that are made from the code are up to date and leave nothing out."""

from __future__ import annotations

import re

import pytest

from tests.server.hostile_tokens import HOSTILE
from tests.support.pages import COMMAND, generator_of
from tests.support.processes import ROOT

REFERENCE = ROOT / "docs" / "reference"
READS = re.compile(r"environ(?:\.get\(|\[)\"([A-Z][A-Z0-9_]+)\"")
NOT_SET_BY_PEOPLE = {"DISPLAY", "WAYLAND_DISPLAY", "SYSTEMROOT"}
OF_TESTS = {"STACK_VENV", "STACK_RUN_DIR", "CHROMIUM"}


@pytest.mark.parametrize("name", ["answers", "api", "commands", "environment", "tenant_readme"])
def test_the_page_is_up_to_date(name: str) -> None:
    generator = generator_of(name)
    assert generator.PAGE.read_text(encoding="utf-8") == generator.page(), f"run {COMMAND}"


def test_every_variable_of_the_example_and_of_the_code_is_on_the_page() -> None:
    example = "".join((ROOT / name).read_text(encoding="utf-8") for name in (".env.example", ".env.prod.example"))
    wanted = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE))
    for folder in ("server/src", "client/src", "mock-idp/src", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            wanted |= set(READS.findall(path.read_text(encoding="utf-8")))
    told = set(re.findall(r"`([A-Z][A-Z0-9_]*)`", (REFERENCE / "environment.md").read_text(encoding="utf-8")))
    assert wanted - told == NOT_SET_BY_PEOPLE | OF_TESTS


def test_every_reason_for_which_a_token_is_refused_is_on_the_page() -> None:
    page = (REFERENCE / "answers.md").read_text(encoding="utf-8")
    assert {reason for reason, _ in HOSTILE.values() if f"| `{reason}` | 401 |" not in page} == set()
