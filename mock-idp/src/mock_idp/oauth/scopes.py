"""Which requested scopes are granted (Auth0: Role-Based Access Control). Others are dropped without an error.

`scope_text` and `auth0_lines` describe scopes in the words of Auth0's consent page.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..tenant.model import OIDC_SCOPES, Api, Client, ClientGrant, Organization, Tenant, User


def split_scope(scope: str | None) -> tuple[str, ...]:
    """The distinct scopes of a space-separated list, in the order they were sent (RFC 6749 section 3.3)."""
    return tuple(dict.fromkeys((scope or "").split()))


def user_scopes(
    tenant: Tenant,
    client: Client,
    user: User,
    api: Api | None,
    grant: ClientGrant | None,
    requested: tuple[str, ...],
    organization: Organization | None = None,
) -> tuple[str, ...]:
    """The requested scopes that a client gets for a user, in an organization or in none."""
    allowed = _oidc_scopes(client) | _offline_scope(client, api)
    if api is not None:
        held = tenant.permissions(user, api, organization) if api.enforce_policies else tuple(api.scopes)
        covered = api.scopes if grant is None else granted_by(grant, api)
        allowed |= {scope for scope in held if scope in covered}
    return tuple(scope for scope in requested if scope in allowed)


def granted_by(grant: ClientGrant, api: Api) -> tuple[str, ...]:
    """The API's scopes that a client grant covers."""
    return tuple(scope for scope in api.scopes if grant.all_scopes or scope in grant.scopes)


def _oidc_scopes(client: Client) -> set[str]:
    # Strict third-party clients get only the user's `sub` (Auth0: Security Controls).
    return set() if client.strict else set(OIDC_SCOPES)


def _offline_scope(client: Client, api: Api | None) -> set[str]:
    allowed = "refresh_token" in client.grant_types and (api is None or api.allow_offline_access)
    return {"offline_access"} if allowed else set()


# The usual wording of Auth0's page (secondary).
PROFILE_TEXTS = {
    "profile": "Profile: access to your profile",
    "email": "Email: access to your email address",
    "phone": "Phone: access to your phone number",
    "address": "Address: access to your postal address",
    "offline_access": "Allow offline access",
}


def scope_text(scope: str, api: Api | None) -> str:
    """The API's description of the scope; Auth0's standard line if there is none."""
    described = api.scopes.get(scope) if api is not None else None
    return described or auth0_lines([scope])[0]


def auth0_lines(scopes: Sequence[str]) -> list[str]:
    """Lines for scopes without descriptions: `read:posts write:posts` becomes `Posts: read and write your posts`."""
    actions: dict[str, list[str]] = {}
    for scope in scopes:
        action, separator, resource = scope.partition(":")
        grouped = bool(separator and action and resource) and scope not in PROFILE_TEXTS
        actions.setdefault(resource if grouped else scope, []).append(action if grouped else "")
    return [_line(name, found) for name, found in actions.items()]


def _line(name: str, actions: list[str]) -> str:
    if actions == [""]:
        return PROFILE_TEXTS.get(name, name)
    verbs = [action for action in actions if action]
    listed = f"{', '.join(verbs[:-1])} and {verbs[-1]}" if len(verbs) > 1 else verbs[0]
    return f"{name.capitalize()}: {listed} your {name}"
