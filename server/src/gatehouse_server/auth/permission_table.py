"""A table of permissions, in code or in a YAML file, for servers whose source cannot be changed.

    tools:
      get_time: []                                        # only the base permission
      convert_time: time:convert                          # one permission, or a list of permissions
      "admin_*": [time:admin]                             # * is any text
    resources:
      "gatehouse://timezones/{region}": time:zones        # a template: {region} is any text
    prompts:
      plan_meeting: time:convert
    implies:
      time:admin: [time:convert, time:zones]

All entries that match a name count. A name that no entry matches is refused: `"*": []` opens everything else.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

import yaml

from .permissions import is_permission
from .request import Kind, Target

Permissions = str | Iterable[str]
_SECTIONS: dict[str, Kind] = {"tools": "tool", "prompts": "prompt", "resources": "resource"}
_WILDCARD = {"tool": re.compile(r"\*"), "prompt": re.compile(r"\*"), "resource": re.compile(r"\*|\{[^{}]*\}")}
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class TableError(ValueError):
    """The table is wrong. The message names the place, what was seen and what is valid."""


class _Entry(NamedTuple):
    """Names, and the permissions that they need.

    Attributes:
        patterns: each is the literal parts of a name; between two parts any text may be.
    """

    name: str
    patterns: tuple[tuple[str, ...], ...]
    permissions: frozenset[str]


class PermissionTable:
    """Which permissions tools, prompts and resources need beyond the base permission.

    Args:
        tools: permissions by the tool's name. In a name `*` is any text.
        prompts: permissions by the prompt's name.
        resources: permissions by URI or URI template. `*` and a template's expressions are any text.
        implies: which permission implies which others.

    Raises:
        TableError: a name or a permission is not valid.
    """

    def __init__(
        self,
        *,
        tools: Mapping[str, Permissions] | None = None,
        prompts: Mapping[str, Permissions] | None = None,
        resources: Mapping[str, Permissions] | None = None,
        implies: Mapping[str, Permissions] | None = None,
    ) -> None:
        given = {"tools": tools, "prompts": prompts, "resources": resources}
        self._entries: dict[Kind, list[_Entry]] = {
            kind: [_entry(kind, f"{section}.{name}", name, value) for name, value in _members(section, given[section])]
            for section, kind in _SECTIONS.items()
        }
        self.implies: dict[str, frozenset[str]] = {
            _checked_permission(f"implies.{broad}", broad): _permissions(f"implies.{broad}", narrow)
            for broad, narrow in _members("implies", implies)
        }

    @classmethod
    def read(cls, path: str | Path) -> PermissionTable:
        """Read the table from a YAML file.

        Raises:
            TableError: the file cannot be read, or its content is not valid.
        """
        try:
            with Path(path).open(encoding="utf-8-sig") as file:
                document = yaml.load(file, _UniqueKeys)  # noqa: S506 - a SafeLoader
            if not isinstance(document, dict):
                raise TableError(f"the document has no members: {', '.join((*_SECTIONS, 'implies'))} are valid")
            for name in document:
                if name not in (*_SECTIONS, "implies"):
                    raise TableError(f"{name!r} is unknown: {', '.join((*_SECTIONS, 'implies'))} are valid")
            return cls(**document)
        except OSError as error:
            raise TableError(f"{path} cannot be read: {error.strerror}.") from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise TableError(f"{path} is not YAML: {error}") from error
        except TableError as error:
            raise TableError(f"{path}: {error}.") from None

    def needed(self, target: Target) -> frozenset[str] | None:
        """The permissions that the target needs beyond the base; None if no entry matches it, so that it is refused.

        Args:
            target: the kind (`tool`, `prompt` or `resource`), and the name or URI.
        """
        kind, name = target
        texts = (name,) if kind != "resource" else _forms(name)
        matching = [entry.permissions for entry in self._entries[kind] if _matches_any(entry.patterns, texts)]
        return frozenset().union(*matching) if matching else None

    def entries(self) -> Iterator[tuple[Target, frozenset[str]]]:
        """Each name of the table with the permissions that it needs beyond the base."""
        for kind, entries in self._entries.items():
            for entry in entries:
                yield (kind, entry.name), entry.permissions


class _UniqueKeys(yaml.SafeLoader):
    """A SafeLoader that refuses a name which occurs twice: only one of the two would count."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise TableError(f"{name!r} occurs twice, the first time in line {node.start_mark.line + 1} or below")
        return super().construct_mapping(node, deep)


def _members(section: str, given: object) -> Iterator[tuple[str, Permissions]]:
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise TableError(f"{section} is {given!r}: names with their permissions are valid")
    for name, value in given.items():
        if not isinstance(name, str) or not name:
            raise TableError(f"{section} has the name {name!r}: a text is valid, in quotes if YAML reads it otherwise")
        yield name, value


def _entry(kind: Kind, place: str, name: str, value: Permissions) -> _Entry:
    names = dict.fromkeys([name, *(_forms(name) if kind == "resource" else ())])
    return _Entry(name, tuple(tuple(_WILDCARD[kind].split(each)) for each in names), _permissions(place, value))


def _permissions(place: str, value: object) -> frozenset[str]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, Iterable) or isinstance(listed, Mapping | bytes):
        raise TableError(f"{place} is {value!r}: a permission or a list of permissions is valid, [] for none")
    return frozenset(_checked_permission(place, permission) for permission in cast("Iterable[object]", listed))


def _checked_permission(place: str, value: object) -> str:
    if not isinstance(value, str) or not is_permission(value):
        raise TableError(f"{place} has the permission {value!r}: one without spaces, such as time:convert, is valid")
    return value


def _matches_any(patterns: Iterable[tuple[str, ...]], texts: Iterable[str]) -> bool:
    return any(_matches(parts, text) for text in texts for parts in patterns)


def _matches(parts: tuple[str, ...], text: str) -> bool:
    """Whether the text is these parts with any text between them. Linear, unlike a regular expression."""
    if len(parts) == 1:
        return text == parts[0]
    first, *middle, last = parts
    position, end = len(first), len(text) - len(last)
    if position > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in middle:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def _forms(uri: str) -> tuple[str, ...]:
    """The URI as it is, and as a server may read it: with the scheme and host in lower case, and decoded.

    Another spelling of a URI must not need fewer permissions. Servers in other languages normalize (WHATWG URL).
    """
    plain = re.sub(r"[\t\n\r]", "", uri).strip(" \x00\x1f").replace("\\", "/")
    scheme, colon, rest = plain.partition(":")
    if not colon:
        return uri, unquote(plain)
    scheme = scheme.lower()
    host, path = "", rest
    if rest.startswith("//"):
        host, slash, tail = rest[2:].partition("/")
        host, path = f"//{host.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ' '))}", slash + tail
    decoded = unquote(path)
    resolved = posixpath.normpath(decoded) if "/." in decoded or "//" in decoded else decoded
    ending = "/" if decoded.endswith("/") and not resolved.endswith("/") else ""
    return uri, f"{scheme}:{unquote(host)}{decoded}", f"{scheme}:{unquote(host)}{resolved}{ending}"
