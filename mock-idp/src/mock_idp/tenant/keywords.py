"""Keyword replacement of Auth0's Deploy CLI: `##KEY##` stands for a text, `@@KEY@@` for a JSON value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

KEYWORD = re.compile(r"##([A-Za-z0-9_]+)##|(['\"]?)@@([A-Za-z0-9_]+)@@\2")


class UnknownKeyword(Exception):
    """A keyword without a value; the message names it."""


def with_keywords(text: str, values: Mapping[str, Any]) -> str:
    """The text of a tenant file with its keywords replaced. UnknownKeyword when one has no value."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        if name not in values:
            raise UnknownKeyword(f"{match[0]} has no value in AUTH0_KEYWORD_REPLACE_MAPPINGS")
        return str(values[name]) if match[1] else json.dumps(values[name])

    return KEYWORD.sub(value, text)
