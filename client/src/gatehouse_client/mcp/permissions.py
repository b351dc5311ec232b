"""The permissions that a token has, and those that a tool needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..claims import claims_of
from ..storage.grant import Grant

if TYPE_CHECKING:
    from mcp_types import Tool

META_KEY: Final = "gatehouse/permissions"
"""In a tool's `_meta`: the permissions that it needs in addition to those of every call."""

_SCOPES_OF_OPENID: Final = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})


def permissions_of(grant: Grant) -> list[str]:
    """The scopes that were granted to this client, without those of OpenID Connect. If the token has a `permissions`
    claim, only scopes in this claim count, as at the server."""
    granted = grant.scopes - _SCOPES_OF_OPENID
    claims = claims_of(grant.access_token)
    return sorted(granted & set(roles_allow(claims)) if "permissions" in claims else granted)


def roles_allow(claims: Mapping[str, Any]) -> list[str]:
    """The permissions of the person's roles (Auth0's `permissions` claim), granted to this client or not."""
    allowed = claims.get("permissions")
    return [name for name in allowed if isinstance(name, str)] if isinstance(allowed, list) else []


def needed_by(tool: Tool) -> list[str]:
    """The permissions that the tool needs, as the server says."""
    needed = (tool.meta or {}).get(META_KEY)
    return [name for name in needed if isinstance(name, str)] if isinstance(needed, list) else []
