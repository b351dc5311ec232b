"""Which permissions a token carries, and which a tool needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..claims import claims_of
from ..storage.grant import Grant

if TYPE_CHECKING:
    from mcp_types import Tool

META_KEY: Final = "gatehouse/permissions"
"""In a tool's `_meta`: what its use needs beyond what every call needs."""

_SCOPES_OF_OPENID: Final = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})


def permissions_of(grant: Grant) -> list[str]:
    """What was granted to this client, without the scopes of OpenID Connect; narrowed by the `permissions` claim, as
    the server narrows it."""
    granted = grant.scopes - _SCOPES_OF_OPENID
    claims = claims_of(grant.access_token)
    return sorted(granted & set(roles_allow(claims)) if "permissions" in claims else granted)


def roles_allow(claims: Mapping[str, Any]) -> list[str]:
    """What the person's roles allow (Auth0's `permissions` claim), granted to this client or not."""
    allowed = claims.get("permissions")
    return [name for name in allowed if isinstance(name, str)] if isinstance(allowed, list) else []


def needed_by(tool: Tool) -> list[str]:
    """What the server says that the tool needs."""
    needed = (tool.meta or {}).get(META_KEY)
    return [name for name in needed if isinstance(name, str)] if isinstance(needed, list) else []
