"""Which licences are accepted (rules.toml), and the page that lists them. It needs no other package."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "licences.md"
RULES = tomllib.loads(Path(__file__).with_name("rules.toml").read_text(encoding="utf-8"))
ACCEPTED = frozenset(RULES["licences"])
SPECIAL: Mapping[str, Mapping[str, str]] = RULES["special"]
CONCLUDED: Mapping[str, str] = RULES["concluded"]


@dataclass(frozen=True, order=True)
class Licensed:
    """A package with its licence as an SPDX expression, which is empty if none is known."""

    name: str
    version: str
    licence: str


def is_accepted(package: Licensed) -> bool:
    """Whether the package may be in a lock.

    Of `A OR B` one licence must be accepted, of `A AND B` both. Brackets are for special packages.
    """
    if package.name in SPECIAL:
        return SPECIAL[package.name]["licence"] == package.licence
    if " OR " in package.licence and "(" not in package.licence:
        return not ACCEPTED.isdisjoint(package.licence.split(" OR "))
    return ACCEPTED.issuperset(package.licence.split(" AND "))


def problems(packages: Sequence[Licensed]) -> list[str]:
    """A line for each package that may not be in a lock, and for each rule that nothing needs."""
    names = {each.name for each in packages}
    unused = [name for name in (*SPECIAL, *CONCLUDED) if name not in names]
    return [
        *(
            f"{each.name} {each.version}: its licence is {each.licence!r}, which rules.toml does not accept"
            for each in packages
            if not is_accepted(each)
        ),
        *(f"rules.toml names {name}, which is in no lock" for name in unused),
    ]


def page(locks: Mapping[str, Sequence[Licensed]]) -> str:
    """The text of the page. `locks` has the packages of each lock."""
    rows = sorted({each for packages in locks.values() for each in packages})
    lines = [
        "# Licences",
        "",
        "Made by `make sbom`: the Python packages in the hashed lock of each package, for Linux and with all extras.",
        "An image has those that its extras need. The licences are SPDX expressions.",
        "[A test](../../tests/runtime/test_supply_chain.py) compares this page with the locks, and fails for a licence",
        "that is not accepted. These are accepted, because they are permissive:",
        f"{', '.join(sorted(ACCEPTED))}. And these, for one package each:",
        "",
        "| package | licence | why it is accepted |",
        "|---|---|---|",
        *(f"| {name} | {rule['licence']} | {rule['why']} |" for name, rule in SPECIAL.items()),
        "",
        "¹ The package's metadata names no licence of SPDX. The licence file in the package was read.",
        "",
        f"| package | version | licence | {' | '.join(locks)} |",
        f"|---|---|---|{'---|' * len(locks)}",
    ]
    for each in rows:
        cells = ("yes" if each in packages else "" for packages in locks.values())
        concluded = " ¹" if each.name in CONCLUDED else ""
        lines.append(f"| {each.name} | {each.version} | {each.licence}{concluded} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
