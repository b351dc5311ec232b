"""Inside the SDK: lists hold only what the caller may use or could acquire; a second check before execution.

The gate has decided already. The second check sees the operation as the SDK is about to execute it: should the two
ever read a request differently, the call ends here.
"""

from __future__ import annotations

import logging
from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST
from pydantic import BaseModel

from ..auth.operations import Kind, operation_of, passed
from ..auth.permissions import Hierarchy
from ..auth.profiles import Profile
from .catalogue import Catalogue

logger = logging.getLogger(__name__)

META_KEY = "gatehouse/permissions"
"""In `_meta` of each listed tool, resource and prompt: the permissions that its use needs beyond the base."""

# Method: the result's member, what its entries are, and the member that names them.
_LISTS: dict[str, tuple[str, Kind, str]] = {
    "tools/list": ("tools", "tool", "name"),
    "prompts/list": ("prompts", "prompt", "name"),
    "resources/list": ("resources", "resource", "uri"),
    "resources/templates/list": ("resourceTemplates", "resource", "uriTemplate"),
}


class Visibility:
    """MCP server middleware over one catalogue."""

    def __init__(self, catalogue: Catalogue, hierarchy: Hierarchy, profile: Profile) -> None:
        self._catalogue = catalogue
        self._profile = profile
        self._hierarchy = hierarchy

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        token = get_access_token()
        if token is None:
            raise MCPError(INVALID_REQUEST, "Nobody is signed in.")
        operation = operation_of(ctx.method, ctx.params)
        if operation != passed.get() and not self._catalogue.needed(operation).issubset(token.scopes):
            logger.error("the gate let %s %r pass without its permission", operation.method, operation.name)
            raise MCPError(INVALID_REQUEST, "The token lacks a permission for this.")
        result = await call_next(ctx)
        if ctx.method not in _LISTS or result is None:  # a notification of that name has no result
            return result
        return self._shown(_on_the_wire(result), token, *_LISTS[ctx.method])

    def _shown(self, result: dict[str, Any], token: AccessToken, member: str, kind: Kind, name: str) -> dict[str, Any]:
        """The list without what this caller can never use; each entry says what it needs."""
        reachable = self._reachable(token)
        shown = []
        for entry in result[member]:
            needed = self._catalogue.of((kind, entry[name]))
            if reachable is None or needed <= reachable:
                shown.append(_labelled(entry, needed) if needed else entry)
        return {**result, member: shown}

    def _reachable(self, token: AccessToken) -> frozenset[str] | None:
        """What the caller has or could acquire; None when the token does not tell what could be acquired."""
        possible = self._profile.acquirable(token.claims or {})
        return None if possible is None else self._hierarchy.expand(possible) | frozenset(token.scopes)


def _on_the_wire(result: BaseModel | dict[str, Any]) -> dict[str, Any]:
    if isinstance(result, BaseModel):
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return result


def _labelled(entry: dict[str, Any], needed: frozenset[str]) -> dict[str, Any]:
    return {**entry, "_meta": {**entry.get("_meta", {}), META_KEY: sorted(needed)}}
