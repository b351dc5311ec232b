"""Keyword replacement of Auth0's Deploy CLI: `##KEY##` stands for a text, `@@KEY@@` for a JSON value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..formats.urls import is_loopback_name

DEFAULT_MCP_PORT = 5555
DEFAULT_CALLBACK_PORT = 8642
KEYWORD = re.compile(r"##([A-Za-z0-9_]+)##|(['\"]?)@@([A-Za-z0-9_]+)@@\2")


def keyword_values(variables: Mapping[str, str | None], mappings: Mapping[str, Any]) -> dict[str, Any]:
    """What ##KEY## and @@KEY@@ stand for, by name.

    An environment variable goes before a mapping, as in the Deploy CLI (`import` with its default `--env`). An empty
    variable counts as not set. The two URLs that depend on where the stack runs always have a value.

    Args:
        variables: the environment.
        mappings: AUTH0_KEYWORD_REPLACE_MAPPINGS.
    """
    known = {**mappings, **{name: value for name, value in variables.items() if value}}
    host = str(known.get("MCP_HOST", ""))
    host = f"[{host}]" if host == "::1" else host if is_loopback_name(host) else "localhost"
    known.setdefault("MCP_PUBLIC_URL", f"http://{host}:{known.get('MCP_PORT', DEFAULT_MCP_PORT)}/mcp")
    callback_port = known.get("OAUTH_CALLBACK_PORT", DEFAULT_CALLBACK_PORT)
    known.setdefault("OAUTH_CALLBACK_URI", f"http://localhost:{callback_port}/callback")
    return known


def with_keywords(text: str, values: Mapping[str, Any]) -> str:
    """The text of a tenant file with its keywords replaced. A keyword without a value stays, as in the Deploy CLI."""

    def replaced(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        if name not in values:
            return match[0]
        return str(values[name]) if match[1] else json.dumps(values[name])

    return KEYWORD.sub(replaced, text)


def remaining_keywords(document: Any) -> dict[str, None]:  # noqa: ANN401 - whatever YAML contains
    """The keywords without a value in a parsed tenant file, in their order. YAML comments do not count."""
    found: dict[str, None] = {}
    pending, seen = [document], set()  # an anchor may refer to itself
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            found |= {match[0]: None for match in KEYWORD.finditer(part)}
        elif isinstance(part, dict | list) and id(part) not in seen:
            seen.add(id(part))
            pending += reversed([*part, *part.values()] if isinstance(part, dict) else part)
    return found
