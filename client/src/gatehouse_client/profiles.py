"""What a token grants, by identity provider: the client's part of the server's table (`auth/verify/profiles.py` there).

A test compares both over the same tokens. The client verifies nothing: all this is for display, and for its requests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from .claims import claims_of

_AUDIENCE: Final = "{audience}"
_SCOPES_OF_OPENID: Final = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
_SCOPE_CLAIMS: Final = ("scope", "scp")

Path = tuple[str, ...]


class _WrongType(Exception):
    """A claim with permissions has the wrong type."""


@dataclass(frozen=True)
class Profile:
    """One provider.

    Attributes:
        name: a value of OIDC_PROFILE.
        grants: groups of claims that hold permissions; the first group that has a claim in the token counts.
        narrowed_by: a claim with all that the person's roles allow. Only permissions in both count.
        keyed: whether such a claim can be an object whose names are the permissions.
        prefix: what scopes in tokens begin with. Other scopes grant nothing then.
        takes_resource: whether the provider accepts `resource` (RFC 8707) besides scopes.
        machine_scope: the last part of the scope that a client without a person requests for an API; empty if it
            requests the scopes of a person.
        older: the beginning of the `iss` of tokens in an older format, and what to do at the provider.
    """

    name: str
    grants: tuple[tuple[Path, ...], ...]
    narrowed_by: str | None = None
    keyed: bool = False
    prefix: str = ""
    takes_resource: bool = True
    machine_scope: str = ""
    older: tuple[str, str] | None = None

    def granted(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """The permissions in the claims; none if a claim has the wrong type (the server refuses such a token)."""
        allowed = self.allowed(claims)
        for group in self.grants:
            try:
                found = [names for path in group if (names := self._names(claims, path)) is not None]
            except _WrongType:
                return frozenset()
            if found:
                granted = frozenset[str]().union(*found)
                return granted if allowed is None else granted & allowed
        return frozenset()

    def allowed(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        """What the person's roles allow, granted to this client or not; None if the token does not say."""
        if self.narrowed_by is None or self.narrowed_by not in claims:
            return None
        names = claims[self.narrowed_by]
        return frozenset(names) if isinstance(names, list) and {*map(type, names)} <= {str} else frozenset()

    def permissions(self, token: str, scope: frozenset[str]) -> frozenset[str]:
        """The permissions of an access token, without the scopes of OpenID Connect.

        Args:
            scope: the scope that the tenant granted. It counts if the token is opaque.
        """
        claims = claims_of(token)
        granted = self.granted(claims) if claims else self._without_prefix(scope)
        return granted - _SCOPES_OF_OPENID

    def requested(self, scope: str | None, *, machine: bool) -> str | None:
        """The scope to request. OpenID's are about a person (OpenID Connect Core section 5.4), so not for a machine.

        Args:
            scope: that of a person's sign-in.
            machine: whether the client signs in as itself.
        """
        if scope is None or not machine:
            return scope
        if not self.machine_scope:
            return " ".join(each for each in scope.split() if each not in _SCOPES_OF_OPENID) or None
        apis = dict.fromkeys(each.rpartition("/")[0] for each in scope.split() if "/" in each)
        return " ".join(f"{api}/{self.machine_scope}" for api in apis) or None

    def _names(self, claims: Mapping[str, Any], path: Path) -> frozenset[str] | None:
        value: Any = claims
        for name in path:
            if not isinstance(value, dict):
                raise _WrongType
            if name not in value:
                return None
            value = value[name]
        is_scope = path[-1] in _SCOPE_CLAIMS
        if isinstance(value, str) and is_scope:
            names = frozenset(value.split())
        elif (isinstance(value, list) and path[-1] != "scope" and {*map(type, value)} <= {str}) or (
            isinstance(value, dict) and self.keyed
        ):
            names = frozenset(value)
        else:
            raise _WrongType
        return self._without_prefix(names) if is_scope else names

    def _without_prefix(self, scopes: frozenset[str]) -> frozenset[str]:
        prefix = self.prefix
        return frozenset(name.removeprefix(prefix) for name in scopes if name.startswith(prefix) and name != prefix)


_SCOPE: Final = (("scope",),)

PROFILES: Final[Mapping[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile("auth0", (_SCOPE,), "permissions"),
        Profile("keycloak", ((("realm_access", "roles"), ("resource_access", _AUDIENCE, "roles")),)),
        Profile(
            "entra",
            ((("scp",),), (("roles",),)),
            takes_resource=False,  # AADSTS9010010, unless it is the application's own URI
            machine_scope=".default",  # AADSTS1002012
            older=("https://sts.windows.net/", "Set requestedAccessTokenVersion to 2 in the API's manifest."),
        ),
        Profile("okta", ((("scp",),),)),
        Profile("cognito", (_SCOPE,), prefix=f"{_AUDIENCE}/"),
        Profile("zitadel", (((f"urn:zitadel:iam:org:project:{_AUDIENCE}:roles",),),), keyed=True),
        Profile("authkit", ((("permissions",),),)),
        Profile("rfc9068", (_SCOPE,)),
        Profile("oidc", (_SCOPE, (("scp",),)), "permissions"),
    )
}

_BY_ISSUER: Final = {
    "auth0": r"https?://[^/]+/",  # Auth0's issuer has no path, but the final slash
    "keycloak": r"https?://.+/realms/[^/]+",
    "entra": r"https://(login\.microsoftonline\.|sts\.windows\.net/).+",
    "okta": r"https://[^/]+\.okta(preview|-emea)?\.com(/.*)?",
    "cognito": r"https://cognito-idp\.[^/]+\.amazonaws\.com(\.cn)?/.+",
    "zitadel": r"https://[^/]+\.zitadel\.cloud",
    "authkit": r"https://[^/]+\.authkit\.app",
}


@dataclass(frozen=True)
class ProfileChoice:
    """The settings that select a profile.

    Attributes:
        name: the configured profile; None takes the one that the issuer's form suggests.
        audience: the API's identifier in tokens; None takes the server's resource identifier.
        grant_claim: other claims for the permissions, separated by commas (GRANT_CLAIM).
        scope_prefix: another prefix than the profile's (SCOPE_PREFIX).
    """

    name: str | None = None
    audience: str | None = None
    grant_claim: str = ""
    scope_prefix: str = ""

    def at(self, issuer: str | None, resource: str = "") -> Profile:
        """The profile for tokens of `issuer` for `resource`."""
        profile = PROFILES[self.name or _suggested(issuer or "")]
        if self.grant_claim:
            group = tuple(tuple(path.strip().split(".")) for path in self.grant_claim.split(","))
            narrowed_by = profile.narrowed_by if (profile.narrowed_by,) not in group else None
            profile = replace(profile, grants=(group,), narrowed_by=narrowed_by)
        audience = self.audience or resource
        grants = tuple(
            tuple(tuple(part.replace(_AUDIENCE, audience) for part in path) for path in group)
            for group in profile.grants
        )
        prefix = (self.scope_prefix if profile.prefix else "") or profile.prefix
        return replace(profile, grants=grants, prefix=prefix.replace(_AUDIENCE, audience))


BY_ISSUER: Final = ProfileChoice()
"""Nothing is configured."""


def _suggested(issuer: str) -> str:
    return next(
        (name for name, form in _BY_ISSUER.items() if re.fullmatch(form, issuer)), "oidc" if issuer else "auth0"
    )
