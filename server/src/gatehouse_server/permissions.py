"""What a caller may do, from the claims of a verified token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def effective_permissions(claims: Mapping[str, Any]) -> frozenset[str]:
    """The token's `scope`, narrowed by Auth0's `permissions` claim where the token carries one.

    `permissions` lists everything the user's roles allow, `scope` what this client was granted: only what is in
    both was given to this client by somebody who has it (Auth0 docs, "Enable role-based access control for APIs").
    """
    scope = frozenset(claims.get("scope", "").split())
    permissions = claims.get("permissions")
    return scope if permissions is None else scope & frozenset(permissions)
