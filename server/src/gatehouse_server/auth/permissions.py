"""Permissions: what an operation needs, which permission implies which."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_DECLARED = "__gatehouse_permissions__"


def requires(*permissions: str) -> Callable[[FunctionT], FunctionT]:
    """State on a tool, resource or prompt function which permissions its use needs.

    The one statement feeds the gate, the lists of tools, resources and prompts, the protected resource metadata and
    the documentation. It may stand above or below the SDK's own decorator.
    """

    def declare(function: FunctionT) -> FunctionT:
        # A bound method has no attributes of its own: the statement belongs to its function.
        setattr(getattr(function, "__func__", function), _DECLARED, frozenset(permissions) | declared(function))
        return function

    return declare


def declared(function: object) -> frozenset[str]:
    """The permissions that were stated with `requires`, on the function itself or on what it wraps.

    The SDK registers a wrapper around prompts and resources: with `requires` above the SDK's decorator the statement
    is on the function inside. Nothing that was stated may get lost on the way.
    """
    stated: frozenset[str] = frozenset()
    while function is not None:
        stated |= getattr(function, _DECLARED, frozenset())
        if callable(function):
            stated |= getattr(type(function).__call__, _DECLARED, frozenset())
        function = function.func if isinstance(function, partial) else getattr(function, "__wrapped__", None)
    return stated


class Hierarchy:
    """Which permission implies which others, such as `{"time:admin": ["time:read", "time:convert"]}`.

    Servers must honour hierarchies when they judge a token (MCP authorization, "Scope challenge handling").
    """

    def __init__(self, implied: Mapping[str, Iterable[str]] | None = None) -> None:
        self._implied = {broad: frozenset(narrow) for broad, narrow in (implied or {}).items()}

    def expand(self, permissions: Iterable[str]) -> frozenset[str]:
        """The permissions with everything that they imply, directly or through others."""
        found: set[str] = set()
        open_ends = list(permissions)
        while open_ends:
            permission = open_ends.pop()
            if permission not in found:
                found.add(permission)
                open_ends.extend(self._implied.get(permission, ()))
        return frozenset(found)
