"""The Management API as an API: what tokens for it look like, and the scopes it has."""

from __future__ import annotations

from .model import MANAGEMENT_PATH, Api

NAME = "Auth0 Management API"
# Of Auth0's scopes, those of the endpoints here.
_COLLECTIONS = ("clients", "client_grants", "resource_servers", "roles", "connections", "users")
_OTHERS = (
    *("read:client_keys", "update:client_keys", "read:tenant_settings", "update:tenant_settings"),
    *("read:signing_keys", "create:signing_keys", "update:signing_keys"),
    *("read:role_members", "create:role_members", "delete:role_members", "read:actions"),
)
SCOPES = (
    *(f"{action}:{name}" for name in _COLLECTIONS for action in ("read", "create", "update", "delete")),
    *_OTHERS,
)


def management_identifier(issuer: str) -> str:
    """The identifier of this tenant's Management API under one of its issuers."""
    return f"{issuer}{MANAGEMENT_PATH}"


def management_api(issuer: str) -> Api:
    """The API that every tenant has. Its tokens live a day, and are for machines that have a client grant."""
    return Api(
        identifier=management_identifier(issuer),
        name=NAME,
        signing_alg="RS256",
        signing_secret="",
        token_dialect="access_token",  # noqa: S106 - a dialect
        token_lifetime=86400,
        enforce_policies=False,
        allow_offline_access=False,
        skip_consent=True,
        user_policy="deny_all",
        client_policy="require_client_grant",
        scopes=dict.fromkeys(SCOPES, ""),
    )
