"""The language of a page, by `ui_locales` (OpenID Connect Core), then by Accept-Language (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from starlette.requests import Request

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT: Language = "en"
# A language tag and its weight.
RANGE = re.compile(r"([^;\s]+)\s*(?:;\s*(?:q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?)?", re.IGNORECASE)


def ask_for(request: Request, ui_locales: str | None) -> None:
    """Set the `ui_locales` of the sign-in to which the request belongs."""
    request.state.ui_locales = ui_locales


def language_of(request: Request) -> Language:
    ui_locales = [request.query_params.get("ui_locales"), getattr(request.state, "ui_locales", None)]
    return preferred(ui_locales, ",".join(request.headers.getlist("accept-language")))


def preferred(ui_locales: Iterable[str | None], accept_language: str = "") -> Language:
    """The first requested language that the pages have. `ui_locales` are lists of tags in the order of preference."""
    for tag in [tag for tags in ui_locales for tag in (tags or "").split()]:
        if language := _language(tag):
            return language
    return next(_accepted(accept_language), DEFAULT)


def _accepted(header: str) -> Iterator[Language]:
    """The languages of an Accept-Language header by falling weight. Equal weights keep the order of the header."""
    ranges = [match for part in header.split(",") if (match := RANGE.fullmatch(part.strip()))]
    for tag, weight in sorted(((match[1], float(match[2] or 1)) for match in ranges), key=lambda entry: -entry[1]):
        language = DEFAULT if tag == "*" else _language(tag)
        if language and weight > 0:
            yield language


def _language(tag: str) -> Language | None:
    primary = tag.replace("_", "-").partition("-")[0].lower()
    return next((language for language in LANGUAGES if language == primary), None)
