"""Texts for people: a template with facts from a request, as plain text or as HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup, escape

CODE = re.compile(r"`([^`]+)`")
STRONG = re.compile(r"\*\*(.+?)\*\*")
UNKNOWN = "?"


class _Facts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return UNKNOWN


def with_code(text: str) -> Markup:
    """A finished text as HTML, with `code` marked up. The text is data, and it has no facts to fill in."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped above


@dataclass(frozen=True)
class Prose:
    """`template` may mark `code` and **weight** and name facts in braces. Facts are data: they are never markup."""

    template: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return STRONG.sub(r"\1", self.template).format_map(_Facts(self.facts))

    def __html__(self) -> Markup:
        html = CODE.sub(r"<code>\1</code>", str(escape(self.template)))
        html = STRONG.sub(r"<strong>\1</strong>", html)
        return Markup(html).format_map(_Facts({name: escape(value) for name, value in self.facts.items()}))  # noqa: S704

    def __bool__(self) -> bool:
        return bool(self.template)
