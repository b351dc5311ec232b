"""The table of docs/providers.md: what holds with which provider. `make providers` checks that it is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.providers.checks import CHECKS, SIGN_IN
from tests.providers.expected_misses import MISSES
from tests.providers.provider import Provider

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "providers.md"
BEGIN = "<!-- providers that were run for real: begin -->\n"
END = "<!-- providers that were run for real: end -->\n"
INTRODUCTION = """
`make providers` (needs npm and Linux) starts each of these providers as a process on this machine, in a network without
a way out. Server and agent know it by environment variables only; a scripted browser takes the place of the person.
`make providers DO="nanoidp rotation"` runs one provider or one check. Without a sign-in nothing else is checked (–).
"""


def title(kind: type[Provider]) -> str:
    """The name of a provider with the version that is judged."""
    npm = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    pypi = re.search(
        rf"^{re.escape(kind.package)}(?:\[.*\])?==(\S+)$", (HERE / "requirements.in").read_text(encoding="utf-8"), re.M
    )
    version = pypi[1] if pypi else npm[kind.package]
    return f"{kind.name} {version}"


def write(kinds: list[type[Provider]]) -> None:
    """Write the table into the document, between the markers."""
    before, _, after = _parts()
    DOCUMENT.write_text(f"{before}{BEGIN}{_table(kinds)}{END}{after}", encoding="utf-8")


def is_current(kinds: list[type[Provider]]) -> bool:
    """Whether the document has this table."""
    return _parts()[1] == _table(kinds)


def _parts() -> tuple[str, str, str]:
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    table, _, after = rest.partition(END)
    return before, table, after


def _table(kinds: list[type[Provider]]) -> str:
    reasons = list(dict.fromkeys(miss.reason for kind in kinds for miss in MISSES.get(kind.name, {}).values()))

    def cell(kind: type[Provider], check: str) -> str:
        misses = MISSES.get(kind.name, {})
        if SIGN_IN in misses and check != SIGN_IN:
            return "–"
        miss = misses.get(check)
        return "yes" if miss is None else f"no ({reasons.index(miss.reason) + 1})"

    rows = [["", *(title(kind) for kind in kinds)], ["---"] * (len(kinds) + 1)]
    rows += [[f"{check.__doc__}", *(cell(kind, name) for kind in kinds)] for name, check in CHECKS.items()]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    setups = [f"- {title(kind)}: {kind.setting}." for kind in kinds]
    numbered = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    sections = (lines, ["How each is set up:"], setups, ["What does not hold:"], numbered)
    return INTRODUCTION + "".join("\n".join(["", *section, ""]) for section in sections) + "\n"
