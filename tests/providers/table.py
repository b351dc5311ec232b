"""The table of docs/providers.md: what holds with which provider. `make providers` checks that it is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.providers.checks import CHECKS
from tests.providers.expected_misses import MISSES
from tests.providers.provider import Provider
from tests.support.judged import GeneratedPart, Judgement, paragraphs

HERE = Path(__file__).parent
PART = GeneratedPart(HERE.parents[1] / "docs" / "providers.md", "providers that were run for real")
INTRODUCTION = """
`make providers` (needs npm and Linux) starts each of these providers as a process on this machine, in a network without
a way out. Server and agent know it by environment variables only; a scripted browser takes the place of the person.
`make providers DO="nanoidp rotation"` runs one provider or one check. Without a sign-in nothing else is checked (–).
"""


def judgement(kinds: list[type[Provider]]) -> Judgement:
    """What is judged."""
    checks = {name: str(check.__doc__) for name, check in CHECKS.items()}
    return Judgement(checks, {kind.name: _title(kind) for kind in kinds}, MISSES)


def text(kinds: list[type[Provider]]) -> str:
    """The part of the document between the markers."""
    setups = [f"- {_title(kind)}: {kind.setting}." for kind in kinds]
    return INTRODUCTION + judgement(kinds).table() + paragraphs(["How each is set up:"], setups) + "\n"


def _title(kind: type[Provider]) -> str:
    """The name of a provider with the version that is judged."""
    npm = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    pypi = re.search(
        rf"^{re.escape(kind.package)}(?:\[.*\])?==(\S+)$", (HERE / "requirements.in").read_text(encoding="utf-8"), re.M
    )
    version = pypi[1] if pypi else npm[kind.package]
    return f"{kind.name} {version}"
