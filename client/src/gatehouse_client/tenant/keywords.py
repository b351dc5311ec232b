"""Keyword replacement of Auth0's Deploy CLI: `##KEY##` stands for a text, `@@KEY@@` for a JSON value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

# The loader in C is an order of magnitude faster. PyYAML may be built without it.
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT: Final = re.compile(r"##([\w.-]+)##")
_JSON: Final = re.compile(r"(['\"]?)@@([\w.-]+)@@\1")
# The value of a key or of a list entry: YAML cannot read a text that begins with @ outside of quotes.
_BARE_JSON: Final = re.compile(r"(?m)(?<=[:\-\[,] )(@@[\w.-]+@@)(?=\s*(?:[,\]}]|#.*$|$))")


def with_keywords(text: str, values: Mapping[str, Any]) -> str:
    """The text with its keywords replaced.

    As in the Deploy CLI, all `@@KEY@@` come first, so that their values may contain `##KEY##`, and a keyword without a
    value stays as text. `@@KEY@@` without a value is put in quotes if it has none, so that the file stays YAML.
    """

    def as_json(match: re.Match[str]) -> str:
        return json.dumps(values[match[2]]) if match[2] in values else match[0]

    def as_text(match: re.Match[str]) -> str:
        return str(values[match[1]]) if match[1] in values else match[0]

    return _TEXT.sub(as_text, _BARE_JSON.sub(r'"\1"', _JSON.sub(as_json, text)))


def remaining_keywords(document: object) -> dict[str, None]:
    """The keywords without a value, in their order. YAML comments do not count."""
    found: dict[str, None] = {}
    pending, seen = [document], set()  # an anchor may refer to itself
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            found |= dict.fromkeys(f"##{name}##" for name in _TEXT.findall(part))
            found |= dict.fromkeys(f"@@{name}@@" for _, name in _JSON.findall(part))
        elif isinstance(part, dict | list) and id(part) not in seen:
            seen.add(id(part))
            pending += reversed([*part, *part.values()] if isinstance(part, dict) else part)
    return found


def has_keyword(text: str) -> bool:
    """Whether a text has a keyword without a value, so that it refers to nothing yet."""
    return _TEXT.search(text) is not None or _JSON.search(text) is not None


def is_json_keyword(value: object) -> bool:
    """Whether the value is `@@KEY@@` without a value. Where a list belongs, it counts as absent."""
    return isinstance(value, str) and _JSON.fullmatch(value) is not None


def commented_keywords(text: str) -> dict[str, str]:
    """Keys whose value is `##KEY##` without quotes and without a value, by path. For YAML that is a comment."""
    if "##" not in text:
        return {}
    lines, found = text.splitlines(), {}
    for path, node in _scalars(yaml.compose(text, LOADER), "", set()):
        mark = node.start_mark
        rest = lines[mark.line][mark.column :] if node.value == "" and mark.line < len(lines) else ""
        if match := re.match(rf"\s+({_TEXT.pattern})", rest):
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
