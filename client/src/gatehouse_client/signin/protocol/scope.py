"""Which scopes to ask for (MCP authorization, "Scope selection strategy" and "Step-up authorization flow")."""

from __future__ import annotations

from collections.abc import Iterable

from .challenge import Challenge
from .discovery import AuthorizationServer, ProtectedResource

OFFLINE_ACCESS = "offline_access"


def select_scope(
    challenge: Challenge | None,
    resource: ProtectedResource,
    server: AuthorizationServer,
    *,
    held: Iterable[str] = (),
    configured: Iterable[str] = (),
    offline: bool = True,
) -> str | None:
    """What to ask for: what the challenge names, else what the server's metadata names, else nothing; with it what is
    held already and what the configuration adds; and `offline_access` where the authorization server lists it and a
    refresh token is of use.

    `openid` is asked for only when the challenge or the configuration names it: with it Auth0 issues the token for
    `/userinfo`, too.
    """
    if challenge and challenge.scopes:
        wanted: Iterable[str] = challenge.scopes
    else:
        wanted = [scope for scope in resource.scopes_supported or () if scope != "openid"]
    renewable = [OFFLINE_ACCESS] if offline and OFFLINE_ACCESS in (server.scopes_supported or ()) else []
    return union(held, wanted, configured, renewable)


def union(*scopes: Iterable[str]) -> str | None:
    """All of them once, in order; None when there are none."""
    return " ".join(dict.fromkeys(scope for some in scopes for scope in some)) or None
