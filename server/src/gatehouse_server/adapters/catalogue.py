"""The permissions of what a server offers: those that its source states, and those of a table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol

from mcp_types.methods import SPEC_CLIENT_METHODS, SPEC_CLIENT_NOTIFICATION_METHODS

from ..auth.gate import Needed, NotOffered
from ..auth.permission_table import PermissionTable
from ..auth.permissions import permissions_page
from ..auth.request import Operation, Target

OTHER = "(other)"
"""The label for all methods and targets that the server does not know."""

_METHODS = frozenset({"GET", "DELETE", *SPEC_CLIENT_METHODS, *SPEC_CLIENT_NOTIFICATION_METHODS})


class Offered(Protocol):
    """What one server offers. Each adapter has one."""

    async def stated_by(self, targets: Sequence[Target], version: str = "") -> list[frozenset[str] | None]:
        """For each target the permissions that the source states beyond the base; None if there is no such target.

        Args:
            version: the version that the caller asks for, if the server has several of one name.
        """
        ...

    def entries(self) -> AsyncIterator[tuple[Target, frozenset[str]]]:
        """Each tool, prompt, resource and template with the permissions that its source states."""
        ...


class Catalogue:
    """The tools, resources and prompts of one server, and the permissions that each needs.

    It asks the server each time, so a tool that is added later also counts.

    Args:
        base: permissions that every operation needs.
        table: more permissions. With a table, only what it names or what states a permission in its source is offered.
    """

    def __init__(self, offered: Offered, base: Iterable[str], table: PermissionTable | None = None) -> None:
        self.base = frozenset(base)
        self._offered = offered
        self._table = table

    async def needed(self, operation: Operation) -> Needed:
        """All permissions that the operation needs, and its label for metrics. A caller cannot create new labels.

        Raises:
            NotOffered: the table does not name a target.
        """
        method = operation.method if operation.method in _METHODS else OTHER
        if not operation.targets:
            return Needed(self.base, (method, ""))
        stated = await self._offered.stated_by(operation.targets, operation.version)
        permissions = self.base
        for target, own in zip(operation.targets, stated, strict=True):
            permissions |= self._with_table(target, own)
        (kind, name), known = operation.targets[0], stated[0] is not None
        return Needed(permissions, (method, name if known and kind != "resource" else OTHER))

    async def own(self, targets: Sequence[Target]) -> list[frozenset[str] | None]:
        """For each target the permissions beyond the base; None if it is not offered."""
        found: list[frozenset[str] | None] = []
        for target, stated in zip(targets, await self._offered.stated_by(targets), strict=True):
            try:
                found.append(self._with_table(target, stated))
            except NotOffered:
                found.append(None)
        return found

    async def all_permissions(self) -> frozenset[str]:
        """Every permission that any operation of this server needs."""
        found = self.base
        async for _, own in self.entries():
            found |= own
        return found

    async def entries(self) -> AsyncIterator[tuple[Target, frozenset[str]]]:
        """Each tool, prompt, resource and template with the permissions that it needs beyond the base."""
        seen = set()
        async for target, stated in self._offered.entries():
            seen.add(target)
            try:
                yield target, self._with_table(target, stated)
            except NotOffered:
                continue
        for target, named in self._table.entries() if self._table else ():
            if target not in seen:
                yield target, named

    async def table(self) -> str:
        """The permissions of each tool, resource and prompt as a Markdown table."""
        return permissions_page(self.base, [entry async for entry in self.entries()])

    def named(self, target: Target) -> frozenset[str]:
        """The permissions that the table alone names for the target.

        Raises:
            NotOffered: the table does not name it.
        """
        return self._with_table(target, None)

    def _with_table(self, target: Target, stated: frozenset[str] | None) -> frozenset[str]:
        if self._table is None:
            return stated or frozenset()
        named = self._table.needed(target)
        if named is None and not stated:
            raise NotOffered(target)
        return (named or frozenset()) | (stated or frozenset())
