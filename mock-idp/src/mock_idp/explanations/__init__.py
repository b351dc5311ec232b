"""Explanations of refusals, by a stable code, in every language of the pages."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..formats.prose import Prose
from .table import ENTRIES, Certainty

Fact = str | tuple[str, ...]
# Facts come from requests, so their length and number are limited.
MAX_FACT_LENGTH = 500
MAX_ITEMS = 20
# Strings that need no quotes in YAML.
PLAIN_SCALAR = re.compile(r"[A-Za-z][A-Za-z0-9_./@+-]*(?::[A-Za-z0-9_./@+?=&%-]+)*(?: [A-Za-z0-9_./@+()-]+)*")
YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


class Case:
    """One refusal: the code of its explanation, and facts from the request and the tenant."""

    def __init__(self, code: str, **facts: Fact) -> None:
        self.code = code
        self.facts: Mapping[str, Fact] = {name: _shortened(fact) for name, fact in facts.items()}


@dataclass(frozen=True)
class Explanation:
    """The explanation of one refusal. `real` is the answer of a real tenant of Auth0's. Texts may be empty."""

    code: str
    certainty: Certainty
    real: Prose
    why: Prose
    fix: Prose
    dashboard: str
    file: str
    setting: str
    snippet: str
    details: Mapping[str, tuple[str, ...]]


def explain(case: Case, language: str = "en") -> Explanation:
    entry, texts = ENTRIES[case.code], explanation_texts(language)[case.code]
    facts = {name: _joined(value) for name, value in case.facts.items()}
    return Explanation(
        case.code,
        entry.certainty,
        real=Prose(texts["real"], facts),
        why=Prose(texts["why"], facts),
        fix=Prose(texts["fix"], facts),
        dashboard=str(Prose(entry.dashboard, facts)),
        file=entry.file,
        setting=entry.setting,
        snippet=str(Prose(entry.snippet, {name: _scalars(value) for name, value in case.facts.items()})),
        details={name: _listed(case.facts[name]) for name in entry.details if case.facts.get(name)},
    )


@cache
def explanation_texts(language: str) -> dict[str, dict[str, str]]:
    """By code: `real`, `why` and `fix`."""
    path = Path(__file__).parent / f"{language}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _shortened(fact: Fact) -> Fact:
    if isinstance(fact, str):
        return fact if len(fact) <= MAX_FACT_LENGTH else f"{fact[:MAX_FACT_LENGTH]}…"
    shown = tuple(one if len(one) <= MAX_FACT_LENGTH else f"{one[:MAX_FACT_LENGTH]}…" for one in fact[:MAX_ITEMS])
    return shown if len(fact) <= MAX_ITEMS else (*shown, "…")


def _joined(value: Fact) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _listed(value: Fact) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _scalars(value: Fact) -> str:
    """One or several strings in the form of a YAML flow sequence."""
    return ", ".join(_scalar(one) for one in _listed(value))


def _scalar(value: str) -> str:
    plain = PLAIN_SCALAR.fullmatch(value) and value.lower() not in YAML_WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)
