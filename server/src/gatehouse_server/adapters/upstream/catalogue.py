"""What the upstream offers, and the permissions that each tool, prompt and resource needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Protocol
from urllib.parse import unquote

from mcp_types.methods import SPEC_CLIENT_METHODS, SPEC_CLIENT_NOTIFICATION_METHODS

from ...auth.gate import Needed, NotOffered
from ...auth.permission_table import PermissionTable
from ...auth.permissions import permissions_page
from ...auth.request import Operation, Target

METHODS = SPEC_CLIENT_METHODS | SPEC_CLIENT_NOTIFICATION_METHODS
"""The methods of all revisions of MCP that a client may call."""

OTHER = "(other)"
"""The label for all methods and targets that the server does not know."""

_HTTP_METHODS = frozenset({"GET", "DELETE"})
_SECTIONS = {"tool": "tools", "prompt": "prompts", "resource": "resources"}


class PermissionSource(Protocol):
    """Where the permissions are stated: in a file, or by the upstream itself."""

    @property
    def names(self) -> frozenset[Target]:
        """The names that it states permissions for."""
        ...

    def needed(self, target: Target) -> frozenset[str] | None:
        """The permissions that the target needs beyond the base; None if it is not named."""
        ...

    def entries(self) -> Iterator[tuple[Target, frozenset[str]]]:
        """Each name with the permissions that it needs beyond the base."""
        ...

    async def prepare(self, targets: Iterable[Target]) -> None:
        """Make the permissions of these targets known.

        Raises:
            Refused: they cannot be known now.
        """
        ...


class CarefulTable:
    """A table of permissions for an upstream whose reading of names is not known.

    An upstream may take `Admin`, `admin ` or `%61dmin` for `admin`. So a name also needs the permissions of all names
    of the table that differ from it only in such ways.
    """

    def __init__(self, table: PermissionTable) -> None:
        self._table = table
        self._folded = _folded_table(table)
        self.needed = lru_cache(1024)(self._needed)
        self.entries = table.entries
        self.names = frozenset(target for target, _ in table.entries())

    async def prepare(self, targets: Iterable[Target]) -> None:
        """Nothing: the table is known."""

    def _needed(self, target: Target) -> frozenset[str] | None:
        own = self._table.needed(target)
        kind, name = target
        return None if own is None else own | (self._folded.needed((kind, _folded(name))) or frozenset())


class UpstreamCatalogue:
    """The permissions of one upstream's operations.

    Args:
        base: permissions that every operation needs.
        sources: a target needs the permissions that all of them state. One that no source names is not offered.
    """

    def __init__(self, base: Iterable[str], sources: Iterable[PermissionSource]) -> None:
        self.base = frozenset(base)
        self._sources = tuple(sources)

    async def needed(self, operation: Operation) -> Needed:
        """All permissions that the operation needs, and its label.

        Raises:
            NotOffered: no source names a target.
            Refused: the permissions cannot be known now.
        """
        needed = self.base
        if operation.targets:
            for source in self._sources:
                await source.prepare(operation.targets)
        for target in operation.targets:
            own = self.declared_by(target)
            if own is None:
                raise NotOffered(target)
            needed |= own
        return Needed(needed, self._label(operation))

    def declared_by(self, target: Target) -> frozenset[str] | None:
        """The permissions that one target needs beyond the base; None if it is not offered."""
        found = [needed for source in self._sources if (needed := source.needed(target)) is not None]
        return frozenset().union(*found) if found else None

    async def all_permissions(self) -> frozenset[str]:
        """Every permission that any operation needs."""
        return self.base.union(*(permissions for _, permissions in self.entries()))

    def entries(self) -> Iterator[tuple[Target, frozenset[str]]]:
        """Each named target with the permissions that it needs beyond the base."""
        for source in self._sources:
            yield from source.entries()

    async def table(self) -> str:
        """The permissions of each named target as a Markdown table."""
        return permissions_page(self.base, self.entries())

    def _label(self, operation: Operation) -> tuple[str, str]:
        """Method and target for a metric. A caller cannot create new label values."""
        method = operation.method if operation.method in METHODS or operation.method in _HTTP_METHODS else OTHER
        if not operation.targets:
            return method, ""
        target = operation.targets[0]
        is_named = any(target in source.names for source in self._sources)
        return method, target[1] if is_named and target[0] != "resource" else OTHER


def _folded_table(table: PermissionTable) -> PermissionTable:
    sections: dict[str, dict[str, frozenset[str]]] = {section: {} for section in _SECTIONS.values()}
    for (kind, name), permissions in table.entries():
        section, folded = sections[_SECTIONS[kind]], _folded(name)
        section[folded] = section.get(folded, frozenset()) | permissions
    return PermissionTable(**sections)


def _folded(name: str) -> str:
    return unquote(unquote(name)).casefold().strip() or name
