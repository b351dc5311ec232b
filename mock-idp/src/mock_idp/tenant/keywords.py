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


class UnknownKeywords(Exception):
    """Keywords without a value; the message names all of them."""


def with_keywords(text: str, values: Mapping[str, Any]) -> str:
    """The text of a tenant file with its keywords replaced. UnknownKeywords if any has no value."""
    unknown = dict.fromkeys(match[0] for match in KEYWORD.finditer(text) if (match[1] or match[3]) not in values)
    if unknown:
        raise UnknownKeywords(
            f"no value for {', '.join(unknown)}: set an environment variable of that name, or"
            " AUTH0_KEYWORD_REPLACE_MAPPINGS"
        )
    return KEYWORD.sub(lambda match: str(values[match[1]]) if match[1] else json.dumps(values[match[3]]), text)
