"""Access token profiles: where each identity provider writes what a token lets its client do.

Everything else about a token (signature, issuer, audience, times) is the same for all. Sources: Auth0 docs, "Access
token profiles" and "Enable role-based access control for APIs"; Keycloak Server Administration Guide, "Roles in
access tokens" and "Audience support"; Microsoft identity platform, "Access token claims reference".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

AUDIENCE = "{audience}"
"""In a path: the API's identifier, which may hold dots itself."""

# OpenID Connect Core sections 2 and 3.3.2.11: what stands in ID tokens only, whoever they are for.
_ID_TOKEN_CLAIMS = frozenset({"nonce", "at_hash", "c_hash"})

_TEXTS = ("scope", "scp")  # words in one text (RFC 8693 section 4.2); some providers' scp is a list all the same

Path = tuple[str, ...]


class MalformedGrant(ValueError):
    """A claim that should say what a token allows is of another form; the message names it."""


@dataclass(frozen=True)
class Profile:
    """One provider's access tokens.

    Attributes:
        grants: groups of claims that say what the token lets its client do. The first group of which the token carries
            a claim counts, all of its claims together.
        narrowed_by: a list of what the user may do; where the token carries it, only what is in both is granted.
        kind: a claim and the value that it has in access tokens and in no others; None: what marks an ID token
            (nonce, at_hash, c_hash) must be absent.
    """

    grants: tuple[tuple[Path, ...], ...]
    narrowed_by: str | None = None
    kind: tuple[str, str] | None = None

    def granted(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """What the token lets this client do.

        Raises:
            MalformedGrant: a claim is of another form than it should be.
        """
        given: frozenset[str] = frozenset()
        for group in self.grants:
            found = [words for path in group if (words := _words(claims, path)) is not None]
            if found:
                given = given.union(*found)
                break
        possible = self.acquirable(claims)
        return given if possible is None else given & possible

    def acquirable(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        """What the user could give this client by signing in again; None when the token does not tell.

        Raises:
            MalformedGrant: the claim is not a list of texts.
        """
        return None if self.narrowed_by is None else _words(claims, (self.narrowed_by,))

    def is_id_token(self, claims: Mapping[str, Any]) -> bool:
        """Whether the token says who somebody is, and not what may be done."""
        if self.kind is None:
            return not _ID_TOKEN_CLAIMS.isdisjoint(claims)
        name, value = self.kind
        return claims.get(name) != value

    def reading(self, paths: str) -> Profile:
        """The profile with other claims for the grant: `scope`, `permissions`, `realm_access.roles`, ..., by comma."""
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
    # `scope` is what this client was granted, `permissions` everything that the user's roles allow: only what is in
    # both was given to this client by somebody who has it.
    "auth0": Profile(grants=(SCOPE,), narrowed_by="permissions"),
    # Roles of the realm and of the API's own client. Older versions put a nonce into access tokens, too.
    "keycloak": Profile(
        grants=((("realm_access", "roles"), ("resource_access", AUDIENCE, "roles")),), kind=("typ", "Bearer")
    ),
    # `scp` in tokens for a user, `roles` (application permissions) in those of a client by itself.
    "entra": Profile(grants=((("scp",),), (("roles",),))),
}


def _words(claims: Mapping[str, Any], path: Path) -> frozenset[str] | None:
    """What the claim lists; None when the token does not carry it."""
    value: Any = claims
    for name in path:
        if not isinstance(value, dict):
            raise MalformedGrant(f"{path[0]} is not an object")
        if name not in value:
            return None
        value = value[name]
    if isinstance(value, str) and path[-1] in _TEXTS:
        return frozenset(value.split())
    if isinstance(value, list) and path[-1] != "scope" and {*map(type, value)} <= {str}:
        return frozenset(value)
    raise MalformedGrant(f"{'.'.join(path)} is not {'a text' if path[-1] in _TEXTS else 'a list of texts'}")
