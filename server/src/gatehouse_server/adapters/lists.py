"""Lists of tools, prompts and resources: without the entries that the caller can never use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp.server.auth.provider import AccessToken

from ..auth.gate import NotOffered
from ..auth.permissions import META_KEY, Hierarchy
from ..auth.request import Kind, Target
from ..auth.verify.profiles import Profile
from .catalogue import Catalogue

LISTS: dict[str, tuple[str, Kind, str]] = {
    "tools/list": ("tools", "tool", "name"),
    "prompts/list": ("prompts", "prompt", "name"),
    "resources/list": ("resources", "resource", "uri"),
    "resources/templates/list": ("resourceTemplates", "resource", "uriTemplate"),
}
"""Method: the result's member, the kind of its entries, and the entries' member with the name."""


class ListFilter:
    """Filters the lists of one server for each caller."""

    def __init__(self, catalogue: Catalogue, hierarchy: Hierarchy, profile: Profile) -> None:
        self._catalogue = catalogue
        self._hierarchy = hierarchy
        self._profile = profile

    async def filtered(self, method: str, result: dict[str, Any], token: AccessToken) -> dict[str, Any]:
        """The result of a list method without what the caller can never use. Each entry names what it needs."""
        member, kind, name = LISTS[method]
        entries = result[member]
        reachable = self._reachable(token)
        needs = await self._catalogue.own([(kind, entry[name]) for entry in entries])
        listed = [
            _with_permissions(entry, needed) if needed else entry
            for entry, needed in zip(entries, needs, strict=True)
            if needed is not None and (reachable is None or needed <= reachable)
        ]
        return {**result, member: listed}

    def visible_to(self, token: AccessToken) -> Callable[[Target, object], frozenset[str] | None]:
        """For one entry of a list: the permissions that the table names; None if the caller can never use it."""
        reachable = self._reachable(token)

        def visible(target: Target, _: object) -> frozenset[str] | None:
            try:
                needed = self._catalogue.named(target)
            except NotOffered:
                return None
            return needed if reachable is None or needed <= reachable else None

        return visible

    def _reachable(self, token: AccessToken) -> frozenset[str] | None:
        """The permissions that the caller has or could get; None if the token does not say which it could get."""
        acquirable = self._profile.acquirable(token.claims or {})
        return None if acquirable is None else self._hierarchy.expand(acquirable) | frozenset(token.scopes)


def _with_permissions(entry: dict[str, Any], needed: frozenset[str]) -> dict[str, Any]:
    return {**entry, "_meta": {**entry.get("_meta", {}), META_KEY: sorted(needed)}}
