"""Permissions: which ones an operation needs, and which permission implies which others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

META_KEY = "gatehouse/permissions"
"""In `_meta` of a tool, resource or prompt: the permissions that its use needs beyond the base."""

_DECLARED = "__gatehouse_permissions__"
# RFC 6749 section 3.3: a scope token is printable ASCII without space, quote and backslash.
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def is_permission(text: str) -> bool:
    """Whether the text can be the name of a permission: a scope token of RFC 6749 section 3.3."""
    return _SCOPE_TOKEN.fullmatch(text) is not None


def requires(*permissions: str) -> Callable[[FunctionT], FunctionT]:
    """State on a tool, resource or prompt function which permissions its use needs.

    The gate, the lists of tools, resources and prompts, the protected resource metadata and the documentation all use
    this statement. It may be above or below the SDK's own decorator.

    Args:
        permissions: scope tokens (RFC 6749 section 3.3), such as `time:convert`. All of them are needed, beside the
            base permission.
    """

    def declare(function: FunctionT) -> FunctionT:
        # A bound method has no attributes of its own, so the statement is set on its function.
        setattr(getattr(function, "__func__", function), _DECLARED, frozenset(permissions) | declared(function))
        return function

    return declare


def declared(function: object) -> frozenset[str]:
    """The permissions that were stated with `requires`, on the function itself or on a function that it wraps.

    The SDK registers a wrapper around prompts and resources. If `requires` is above the SDK's decorator, the statement
    is on the wrapped function. All statements count.
    """
    permissions: frozenset[str] = frozenset()
    while function is not None:
        permissions |= getattr(function, _DECLARED, frozenset())
        if callable(function):
            permissions |= getattr(type(function).__call__, _DECLARED, frozenset())
        function = function.func if isinstance(function, partial) else getattr(function, "__wrapped__", None)
    return permissions


def stated_in_meta(meta: object) -> frozenset[str]:
    """The permissions in the `_meta` of a tool, prompt or resource: a list of texts, or one text.

    Raises:
        ValueError: there is something else. It must not count as no permission.
    """
    stated = meta.get(META_KEY, ()) if isinstance(meta, Mapping) else ()
    listed = [stated] if isinstance(stated, str) else stated
    if not isinstance(listed, list | tuple) or not all(
        isinstance(each, str) and is_permission(each) for each in listed
    ):
        raise ValueError(f"{META_KEY} in _meta is {stated!r}: a permission or a list of permissions is valid")
    return frozenset(listed)


def permissions_page(base: Iterable[str], entries: Iterable[tuple[tuple[str, str], frozenset[str]]]) -> str:
    """The permissions of each tool, resource and prompt as a Markdown table.

    Args:
        base: permissions that every operation needs.
        entries: kind and name, and the permissions beyond the base.
    """
    rows = [
        f"| {kind} | `{name}` | {', '.join(f'`{permission}`' for permission in sorted({*base} | own))} |"
        for (kind, name), own in entries
    ]
    return "\n".join(["| | name | needs |", "|---|---|---|", *rows, ""])


class Hierarchy:
    """Which permission implies which others, such as `{"time:admin": ["time:read", "time:convert"]}`.

    Servers must respect such hierarchies when they check a token (MCP authorization, "Scope challenge handling").
    """

    def __init__(self, implied: Mapping[str, Iterable[str]] | None = None) -> None:
        self._implied = {broad: frozenset(narrow) for broad, narrow in (implied or {}).items()}

    def expand(self, permissions: Iterable[str]) -> frozenset[str]:
        """The permissions and all that they imply, directly or through others."""
        found: set[str] = set()
        unexpanded = list(permissions)
        while unexpanded:
            permission = unexpanded.pop()
            if permission not in found:
                found.add(permission)
                unexpanded.extend(self._implied.get(permission, ()))
        return frozenset(found)
