"""Which of the pages' languages a person reads: `ui_locales` (OpenID Connect Core), then Accept-Language (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from starlette.requests import Request

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT: Language = "en"
WEIGHT = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def ask_for(request: Request, ui_locales: str | None) -> None:
    """Remember what the sign-in that this request belongs to asked for."""
    request.state.ui_locales = ui_locales


def language_of(request: Request) -> Language:
    asked = [request.query_params.get("ui_locales"), getattr(request.state, "ui_locales", None)]
    accepted = ",".join(request.headers.getlist("accept-language"))
    return preferred(asked, accepted)


def preferred(ui_locales: Iterable[str | None], accept_language: str = "") -> Language:
    """The first language named that the pages have. `ui_locales` are lists of tags, the most wanted one first."""
    for tag in [tag for tags in ui_locales for tag in (tags or "").split()]:
        if language := _language(tag):
            return language
    return next(_accepted(accept_language), DEFAULT)


def _accepted(header: str) -> Iterator[Language]:
    """The languages of an Accept-Language header by falling weight; in the order sent where weights are equal."""
    ranges = [_weighted(part) for part in header.split(",")]
    for tag, weight in sorted(ranges, key=lambda entry: -entry[1]):
        language = DEFAULT if tag == "*" else _language(tag)
        if language and weight > 0:
            yield language


def _weighted(part: str) -> tuple[str, float]:
    tag, _, parameters = part.partition(";")
    name, _, value = parameters.partition("=")
    if not parameters.strip():
        return tag.strip(), 1.0
    usable = name.strip().lower() == "q" and WEIGHT.fullmatch(value.strip())
    return tag.strip(), float(value) if usable else 0.0


def _language(tag: str) -> Language | None:
    primary = tag.replace("_", "-").partition("-")[0].lower()
    return next((language for language in LANGUAGES if language == primary), None)
