"""Keyword replacement of Auth0's Deploy CLI: `##KEY##` stands for a text, `@@KEY@@` for a JSON value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ..formats.urls import is_loopback_name

DEFAULT_MCP_PORT = 5555
DEFAULT_CALLBACK_PORT = 8642
TEXT = re.compile(r"##([\w.-]+)##")
JSON = re.compile(r"(['\"]?)@@([\w.-]+)@@\1")
# The value of a key or of a list entry: YAML cannot read a text that begins with @ outside of quotes.
BARE_JSON = re.compile(r"(?m)(?<=[:\-\[,] )(@@[\w.-]+@@)(?=\s*(?:[,\]}]|#.*$|$))")


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
    """The text of a tenant file with its keywords replaced.

    As in the Deploy CLI, all `@@KEY@@` come first, so that their values may contain `##KEY##`, and a keyword without a
    value stays as text. `@@KEY@@` without a value is put in quotes if it has none, so that the file stays YAML.
    """

    def as_json(match: re.Match[str]) -> str:
        return json.dumps(values[match[2]]) if match[2] in values else match[0]

    def as_text(match: re.Match[str]) -> str:
        return str(values[match[1]]) if match[1] in values else match[0]

    return TEXT.sub(as_text, BARE_JSON.sub(r'"\1"', JSON.sub(as_json, text)))


def remaining_keywords(document: Any) -> dict[str, None]:  # noqa: ANN401 - whatever YAML contains
    """The keywords without a value in a parsed tenant file, in their order. YAML comments do not count."""
    found: dict[str, None] = {}
    pending, seen = [document], set()  # an anchor may refer to itself
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            found |= dict.fromkeys(f"##{name}##" for name in TEXT.findall(part))
            found |= dict.fromkeys(f"@@{name}@@" for _, name in JSON.findall(part))
        elif isinstance(part, dict | list) and id(part) not in seen:
            seen.add(id(part))
            pending += reversed([*part, *part.values()] if isinstance(part, dict) else part)
    return found


def has_keyword(text: str) -> bool:
    """Whether a text of a parsed tenant file has a keyword without a value, so that it refers to nothing yet."""
    return TEXT.search(text) is not None or JSON.search(text) is not None


def commented_keywords(text: str, root: yaml.Node | None) -> dict[str, str]:
    """Keys whose value is `##KEY##` without quotes and without a value, by path. For YAML that is a comment.

    Args:
        text: the file, with its keywords replaced.
        root: the node of the file (`yaml.compose`).
    """
    lines, found = text.splitlines(), {}
    for path, node in _scalars(root, "", set()):
        mark = node.start_mark
        rest = lines[mark.line][mark.column :] if node.value == "" and mark.line < len(lines) else ""
        if match := re.match(rf"\s+({TEXT.pattern})", rest):
            found[path] = match[1]
    return found


def _scalars(node: yaml.Node | None, path: str, seen: set[int]) -> Iterator[tuple[str, yaml.ScalarNode]]:
    if isinstance(node, yaml.ScalarNode):
        yield path, node
        return
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, f"{path}.{key.value}".lstrip("."), seen)
    else:
        for index, value in enumerate(node.value):
            yield from _scalars(value, f"{path}[{index}]", seen)
