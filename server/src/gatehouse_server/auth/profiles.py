"""Access token profiles: the claims in which each identity provider writes the permissions of a token.

Everything else about a token (signature, issuer, audience, times) is the same for all providers.

Sources: Auth0 docs, "Access token profiles" and "Enable role-based access control for APIs"; Keycloak Server
Administration Guide, "Roles in access tokens" and "Audience support"; Microsoft identity platform, "Access token claims
reference".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

AUDIENCE = "{audience}"
"""A part of a path: the API's identifier, which may itself contain dots."""

# OpenID Connect Core sections 2 and 3.3.2.11: claims that only ID tokens have.
_ID_TOKEN_CLAIMS = frozenset({"nonce", "at_hash", "c_hash"})

# Names separated by spaces in one string (RFC 8693 section 4.2). Some providers send `scp` as a list.
_STRING_CLAIMS = ("scope", "scp")

Path = tuple[str, ...]


class MalformedGrant(ValueError):
    """A claim with permissions has the wrong type. The message names the claim."""


@dataclass(frozen=True)
class Profile:
    """One provider's access tokens.

    Attributes:
        grants: groups of claims that hold permissions. Only the first group that has a claim in the token counts,
            with all its claims together.
        narrowed_by: a claim that lists what the user may do. If the token has it, only permissions in both are granted.
        kind: a claim and the value that it has in access tokens only. None: the claims that mark an ID token (nonce,
            at_hash, c_hash) must be absent.
    """

    grants: tuple[tuple[Path, ...], ...]
    narrowed_by: str | None = None
    kind: tuple[str, str] | None = None

    def granted(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """The permissions of the token.

        Raises:
            MalformedGrant: a claim has the wrong type.
        """
        granted: frozenset[str] = frozenset()
        for group in self.grants:
            found = [names for path in group if (names := _listed(claims, path)) is not None]
            if found:
                granted = granted.union(*found)
                break
        acquirable = self.acquirable(claims)
        return granted if acquirable is None else granted & acquirable

    def acquirable(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        """The permissions that the client could get by a new sign-in; None if the token does not say.

        Raises:
            MalformedGrant: the claim is not a list of strings.
        """
        return None if self.narrowed_by is None else _listed(claims, (self.narrowed_by,))

    def is_id_token(self, claims: Mapping[str, Any]) -> bool:
        """Whether these are the claims of an ID token."""
        if self.kind is None:
            return not _ID_TOKEN_CLAIMS.isdisjoint(claims)
        name, value = self.kind
        return claims.get(name) != value

    def with_grant_claims(self, paths: str) -> Profile:
        """The profile with other claims for the permissions, separated by commas: `scope`, `realm_access.roles`, ..."""
        group = tuple(tuple(path.strip().split(".")) for path in paths.split(","))
        narrowed_by = self.narrowed_by if (self.narrowed_by,) not in group else None
        return replace(self, grants=(group,), narrowed_by=narrowed_by)

    def for_audience(self, audience: str) -> Profile:
        """The profile with the API's identifier in its paths."""
        grants = tuple(
            tuple(tuple(audience if part == AUDIENCE else part for part in path) for path in group)
            for group in self.grants
        )
        return replace(self, grants=grants)


SCOPE: tuple[Path, ...] = (("scope",),)

PROFILES: Mapping[str, Profile] = {
    # `scope` is what this client was granted, `permissions` is all that the user's roles allow. A permission counts if
    # it is in both.
    "auth0": Profile(grants=(SCOPE,), narrowed_by="permissions"),
    # Roles of the realm and of the API's own client. Older versions also put a nonce into access tokens.
    "keycloak": Profile(
        grants=((("realm_access", "roles"), ("resource_access", AUDIENCE, "roles")),), kind=("typ", "Bearer")
    ),
    # `scp` in tokens for a user, `roles` (application permissions) in tokens for a client without a user.
    "entra": Profile(grants=((("scp",),), (("roles",),))),
}


def _listed(claims: Mapping[str, Any], path: Path) -> frozenset[str] | None:
    """The names in the claim; None if the token does not have it."""
    value: Any = claims
    for name in path:
        if not isinstance(value, dict):
            raise MalformedGrant(f"{path[0]} is not an object")
        if name not in value:
            return None
        value = value[name]
    if isinstance(value, str) and path[-1] in _STRING_CLAIMS:
        return frozenset(value.split())
    if isinstance(value, list) and path[-1] != "scope" and {*map(type, value)} <= {str}:
        return frozenset(value)
    raise MalformedGrant(f"{'.'.join(path)} is not {'a text' if path[-1] in _STRING_CLAIMS else 'a list of texts'}")
