"""What of the requested scope is granted (Auth0: Role-Based Access Control). What is not is dropped without error."""

from __future__ import annotations

from .tenant import OIDC_SCOPES, Api, Client, ClientGrant, Tenant, User


def split_scope(scope: str | None) -> tuple[str, ...]:
    """The distinct scopes of a space-separated list, in the order they were sent (RFC 6749 section 3.3)."""
    return tuple(dict.fromkeys((scope or "").split()))


def user_scopes(
    tenant: Tenant, client: Client, user: User, api: Api | None, grant: ClientGrant | None, requested: tuple[str, ...]
) -> tuple[str, ...]:
    """The scopes a client gets for a user."""
    allowed = _oidc_scopes(client) | _offline_scope(client, api)
    if api is not None:
        allowed |= set(_api_scopes(tenant, user, api, grant))
    return tuple(scope for scope in requested if scope in allowed)


def granted_by(grant: ClientGrant, api: Api) -> tuple[str, ...]:
    """The API's scopes that a client grant covers."""
    return tuple(scope for scope in api.scopes if grant.all_scopes or scope in grant.scopes)


def _api_scopes(tenant: Tenant, user: User, api: Api, grant: ClientGrant | None) -> list[str]:
    held = tenant.permissions(user, api) if api.enforce_policies else tuple(api.scopes)
    covered = api.scopes if grant is None else granted_by(grant, api)
    return [scope for scope in held if scope in covered]


def _oidc_scopes(client: Client) -> set[str]:
    # Strict third-party clients get no identity of the user but `sub` (Auth0: Security Controls).
    return set() if client.strict else set(OIDC_SCOPES)


def _offline_scope(client: Client, api: Api | None) -> set[str]:
    allowed = "refresh_token" in client.grant_types and (api is None or api.allow_offline_access)
    return {"offline_access"} if allowed else set()
