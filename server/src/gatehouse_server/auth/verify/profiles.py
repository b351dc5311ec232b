"""Access token profiles: what is different between the access tokens of the identity providers.

The rest of a token (signature, issuer, times) is the same for all providers. docs/providers.md has the set-up of each
provider.

Sources: Auth0 docs, "Access token profiles" and "Enable role-based access control for APIs"; Keycloak Server
Administration Guide, "Client scopes" and "Audience support"; Microsoft identity platform, "Access token claims
reference"; Okta, "OpenID Connect & OAuth 2.0 API", access tokens; Amazon Cognito, "Understanding the access token" and
"Scopes, M2M, and APIs with resource servers"; ZITADEL, "Claims" and "Scopes"; WorkOS, "Connect: Access token claims";
RFC 9068 sections 2 and 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

AUDIENCE = "{audience}"
"""In the texts of a profile: the API's identifier."""

# OpenID Connect Core sections 2 and 3.3.2.11: claims that only ID tokens have.
_ID_TOKEN_CLAIMS = frozenset({"nonce", "at_hash", "c_hash"})
# How Keycloak (and others with its token format) and Cognito mark an ID token.
_ID_TOKEN_MARKS = (("typ", "ID"), ("token_use", "id"))

# Names separated by spaces in one string (RFC 8693 section 4.2). Some providers send `scp` as a list.
_STRING_CLAIMS = ("scope", "scp")

_JWT_OR_RFC9068 = ("jwt", "at+jwt", "application/at+jwt")

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
        keyed: whether such a claim can be an object whose names are the permissions.
        kind: a claim and the value that it has in access tokens only; None if there is no such claim.
        types: the accepted values of the header's `typ`, in lower case; None accepts a header without it.
        clients: the claims that can name the client. One is needed.
        scope_prefix: the text before a permission in the scope that a client requests for it. None: permissions are no
            scopes of this provider, and a client that requests them is refused.
        prefixed: whether scopes in tokens also have the prefix. Other scopes grant nothing then, and a token without
            `aud` is for this API if it has such a scope.
        always: scopes that each client has to request.
        ignores_scopes: whether the provider ignores scopes that it does not know. Others refuse the whole request.
        id_token_claims: claims that only ID tokens have, if `kind` is None.
        lacking: by claim, what to do at the provider if tokens lack it.
        older_issuer: the beginning of the `iss` of tokens in an older format, and what to do at the provider.
    """

    grants: tuple[tuple[Path, ...], ...]
    narrowed_by: str | None = None
    keyed: bool = False
    kind: tuple[str, str] | None = None
    types: tuple[str | None, ...] = _JWT_OR_RFC9068
    clients: tuple[str, ...] = ("client_id", "azp")
    scope_prefix: str | None = ""
    prefixed: bool = False
    always: tuple[str, ...] = ()
    ignores_scopes: bool = False
    id_token_claims: frozenset[str] = _ID_TOKEN_CLAIMS
    lacking: Mapping[str, str] = field(default_factory=dict)
    older_issuer: tuple[str, str] | None = None

    def granted(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """The permissions of the token.

        Raises:
            MalformedGrant: a claim has the wrong type.
        """
        granted: frozenset[str] = frozenset()
        for group in self.grants:
            found = [names for path in group if (names := self._named(claims, path)) is not None]
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

    def scopes_for(self, permissions: Iterable[str]) -> tuple[str, ...]:
        """The scopes to request for these permissions; empty if they are no scopes of this provider."""
        if self.scope_prefix is None:
            return ()
        return tuple(f"{self.scope_prefix}{permission}" for permission in sorted(permissions))

    def is_id_token(self, claims: Mapping[str, Any]) -> bool:
        """Whether these are the claims of an ID token."""
        marked = any(claims.get(name) == value for name, value in _ID_TOKEN_MARKS)
        return marked or (self.kind is None and not self.id_token_claims.isdisjoint(claims))

    def is_access_token(self, claims: Mapping[str, Any]) -> bool:
        """Whether these are the claims of an access token."""
        return not self.is_id_token(claims) and (self.kind is None or claims.get(self.kind[0]) == self.kind[1])

    def is_for(self, audience: str, claims: Mapping[str, Any]) -> bool:
        """Whether the token is for the API with this identifier.

        Raises:
            MalformedGrant: `aud` is neither a string nor a list of strings.
        """
        named = claims.get("aud")
        if named is None and self.prefixed and self.scope_prefix:
            return bool(self._named(claims, ("scope",)))
        audiences = [named] if isinstance(named, str) else named
        if not isinstance(audiences, list) or not {*map(type, audiences)} <= {str}:
            raise MalformedGrant("aud is neither a string nor a list of strings")
        return audience in audiences

    def with_grant_claims(self, paths: str) -> Profile:
        """The profile with other claims for the permissions, separated by commas: `scope`, `realm_access.roles`, ..."""
        group = tuple(tuple(path.strip().split(".")) for path in paths.split(","))
        narrowed_by = self.narrowed_by if (self.narrowed_by,) not in group else None
        changed = replace(self, grants=(group,), narrowed_by=narrowed_by)
        scopes = [path[-1] in _STRING_CLAIMS for path in group]
        if all(scopes) and self.scope_prefix is None:
            return replace(changed, scope_prefix="")
        if not any(scopes) and not self.ignores_scopes and not self.prefixed:
            return replace(changed, scope_prefix=None, always=self.always or ("openid",))
        return changed

    def introspected(self) -> Profile:
        """The profile of the provider's answers about opaque tokens, which name client and scope as RFC 7662 says."""
        grants = self.grants if self.scope_prefix is None else (*self.grants, SCOPE)
        return replace(self, grants=grants, clients=tuple(dict.fromkeys(["client_id", *self.clients])))

    def for_audience(self, audience: str) -> Profile:
        """The profile with the API's identifier in its texts."""

        def filled(text: str) -> str:
            return text.replace(AUDIENCE, audience)

        grants = tuple(tuple(tuple(map(filled, path)) for path in group) for group in self.grants)
        prefix = None if self.scope_prefix is None else filled(self.scope_prefix)
        return replace(self, grants=grants, scope_prefix=prefix, always=tuple(map(filled, self.always)))

    def _named(self, claims: Mapping[str, Any], path: Path) -> frozenset[str] | None:
        """The permissions in the claim, without the prefix; None if the token does not have it."""
        names = _listed(claims, path, keyed=self.keyed)
        if names is None or not self.prefixed or path[-1] not in _STRING_CLAIMS:
            return names
        prefix = self.scope_prefix or ""
        return frozenset(name.removeprefix(prefix) for name in names if name.startswith(prefix) and name != prefix)


SCOPE: tuple[Path, ...] = (("scope",),)

PROFILES: Mapping[str, Profile] = {
    # `scope` is what this client was granted, `permissions` is all that the user's roles allow. A permission counts if
    # it is in both.
    "auth0": Profile(grants=(SCOPE,), narrowed_by="permissions", ignores_scopes=True),
    # Roles of the realm and of the API's own client. Older versions also put a nonce into access tokens.
    "keycloak": Profile(
        grants=((("realm_access", "roles"), ("resource_access", AUDIENCE, "roles")),),
        kind=("typ", "Bearer"),
        scope_prefix=None,
        always=("openid",),
        lacking={"sub": "in Keycloak, give the client the client scope `basic`"},
    ),
    # `scp` in tokens for a user, `roles` (application permissions) in tokens for a client without a user.
    "entra": Profile(
        grants=((("scp",),), (("roles",),)),
        clients=("azp",),
        scope_prefix=f"api://{AUDIENCE}/",
        older_issuer=(
            "https://sts.windows.net/",
            "it is a token of version 1.0. Set requestedAccessTokenVersion to 2 in the manifest of the API's app"
            " registration in Microsoft Entra",
        ),
    ),
    # Tokens of a custom authorization server. Their header has no `typ`. The claim `cid` is in access tokens only.
    "okta": Profile(grants=((("scp",),),), types=("jwt", None), clients=("cid",)),
    # `aud` only if the client sent `resource`. The scopes of an API begin with the identifier of its resource server.
    "cognito": Profile(
        grants=(SCOPE,),
        kind=("token_use", "access"),
        types=("jwt", None),
        clients=("client_id",),
        scope_prefix=f"{AUDIENCE}/",
        prefixed=True,
    ),
    # The roles of the project whose id is the audience, as an object with an organization for each role.
    "zitadel": Profile(
        grants=(((f"urn:zitadel:iam:org:project:{AUDIENCE}:roles",),),),
        keyed=True,
        scope_prefix=None,
        always=("openid", f"urn:zitadel:iam:org:project:id:{AUDIENCE}:aud", "urn:zitadel:iam:org:projects:roles"),
        id_token_claims=_ID_TOKEN_CLAIMS | {"acr", "amr", "auth_time"},
        lacking={"aud": "in ZITADEL, the client has to request the scope of the project"},
    ),
    # Connect tokens. Their header has no `typ`; a JWT template adds the claim `permissions`.
    "authkit": Profile(
        grants=((("permissions",),),),
        types=("jwt", None),
        clients=("client_id",),
        scope_prefix=None,
        always=("openid",),
    ),
    "rfc9068": Profile(grants=(SCOPE,), types=("at+jwt", "application/at+jwt"), clients=("client_id",)),
    # Any other provider. If a token has the claim `permissions`, it also narrows, as with Auth0.
    "oidc": Profile(grants=(SCOPE, (("scp",),)), narrowed_by="permissions", clients=("client_id", "azp", "cid")),
}


def _listed(claims: Mapping[str, Any], path: Path, *, keyed: bool = False) -> frozenset[str] | None:
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
    if keyed and isinstance(value, dict):
        return frozenset(value)
    raise MalformedGrant(f"{'.'.join(path)} is not {'a text' if path[-1] in _STRING_CLAIMS else 'a list of texts'}")
