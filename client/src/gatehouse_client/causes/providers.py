"""The same checks in the words of other identity providers than Auth0.

The catalogue is written for Auth0: its dashboard, its command line and the names of its variables. For another provider
an entry has the names of the variables for all providers (OIDC_...), and the places of that provider's own console.
Sources: the providers' documentation, as cited in docs/providers.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from dotenv import dotenv_values

from .catalogue import ENTRIES, Entry

AUTH0: Final = "auth0"

TITLES: Final[Mapping[str, str]] = {
    AUTH0: "Auth0",
    "keycloak": "Keycloak",
    "entra": "Microsoft Entra",
    "okta": "Okta",
    "cognito": "Amazon Cognito",
    "zitadel": "ZITADEL",
    "authkit": "WorkOS AuthKit",
    "rfc9068": "the provider",
    "oidc": "the provider",
}

AUTH0_CHECKS: Final = frozenset(
    {"management", "connection", "permissions", "client-grant", "rbac", "resource-identifier", "resource-profile"}
    | {"domain-connection", "third-party-grant"}
)
"""Checks of things that only Auth0 has. They are left out for other providers."""

OTHERS_CHECKS: Final = frozenset({"scopes"})
"""Checks of things that Auth0 does not do: it ignores scopes that it does not know. They are left out for Auth0."""

# What is not true of other providers, by check and member of the entry.
_OTHERS: Final[Mapping[str, Mapping[str, str]]] = {
    "authorization-server": {"advice": "Give the server and its clients the same OIDC_ISSUER, byte for byte."},
    "discovery": {
        "cause": "OIDC_ISSUER is misspelt, or this machine cannot reach the provider.",
        "advice": "Set OIDC_ISSUER to the issuer in the provider's discovery document.",
    },
    "issuer": {
        "cause": "The issuer is written in another way than in the provider's metadata: with or without a final slash,"
        " with another host name, or without its path.",
        "advice": "Set OIDC_ISSUER to the issuer in the provider's metadata, byte for byte.",
    },
    "pkce": {
        "cause": "The metadata has no S256 in `code_challenge_methods_supported`. Microsoft Entra and Amazon Cognito"
        " support PKCE with S256 and do not say so.",
        "advice": "If the provider supports PKCE with S256, and its metadata has no list of methods, set"
        " OAUTH_PKCE_UNANNOUNCED=1. Or sign in without an authorization code (GATEHOUSE_SIGN_IN=device).",
    },
    "application": {
        "advice": "Set OIDC_CLIENT_ID to the Client ID of the agent's client at the provider. If the client registered"
        " itself, register again with `gatehouse login --force`.",
    },
    "callback": {
        "cause": "Providers compare callback URLs character by character: scheme, host, port, path and final slash."
        " `localhost` and `127.0.0.1` are different.",
        "advice": "Allow OAUTH_CALLBACK_URI for the agent's client at the provider, byte for byte.",
    },
    "grant-types": {
        "cause": "A grant type is switched off for the client, or the client has no refresh tokens or no device"
        " sign-in.",
        "advice": "Allow the grant type for the agent's client at the provider.",
    },
    "credentials": {
        "cause": "OIDC_CLIENT_SECRET belongs to another client, was rotated, or is set although the client is public;"
        " or the client uses another authentication method.",
        "advice": "Set OIDC_CLIENT_ID and OIDC_CLIENT_SECRET to the values of the agent's client, and"
        " OAUTH_TOKEN_ENDPOINT_AUTH_METHOD to its method.",
        "unsure": "",
    },
    "api": {
        "title": "The provider issues tokens for the API (OIDC_AUDIENCE).",
        "cause": "The provider does not know the API that the agent requests.",
        "advice": "Set OIDC_AUDIENCE to the audience of the provider's tokens for the server, byte for byte.",
        "unsure": "",
    },
    "token": {
        "cause": "The provider issues opaque tokens. Only the provider can say what they are.",
        "advice": "Let the provider issue JWTs for the agent's client; or give the server INTROSPECTION_CLIENT_ID and"
        " INTROSPECTION_CLIENT_SECRET, so that it asks the provider.",
    },
    "token-audience": {
        "cause": "The token was issued for another API, or before OIDC_AUDIENCE changed.",
        "advice": "Set OIDC_AUDIENCE, in the server and the client, to the `aud` of the provider's tokens for the"
        " server, then sign in again with `gatehouse login --force`.",
    },
    "token-algorithm": {
        "cause": "The provider signs with a secret (HS256), which the published keys cannot verify; or the server"
        " accepts another algorithm.",
        "advice": "Let the provider sign with a private key, and set JWT_ALGORITHM of the server to its algorithm.",
        "unsure": "",
    },
    "accepted": {
        "advice": "Set OIDC_ISSUER, OIDC_AUDIENCE and OIDC_PROFILE to the same values in the server and the client.",
    },
    "role": {
        "cause": "The person has no role or scope with that permission at the provider, or OIDC_PROFILE or GRANT_CLAIM"
        " names other claims than those that hold it.",
        "advice": "Ask an administrator of the provider to grant the permission, then run `gatehouse login --force`.",
    },
    "refresh-token": {
        "cause": "The agent's client may not have refresh tokens, or the refresh token has expired or was revoked.",
        "advice": "Allow refresh tokens (`offline_access`) for the agent's client, then sign in again with"
        " `gatehouse login --force`.",
    },
    "registration": {
        "cause": "The provider has no dynamic registration, or it is switched off.",
        "advice": "Give your users a Client ID for their clients.",
        "unsure": "If it is off on purpose, run `gatehouse doctor --skip registration`.",
    },
    "client-metadata": {
        "cause": "The provider's metadata does not say that it accepts them. They are optional, unless the agent's"
        " Client ID is such a document (OAUTH_CLIENT_METADATA_URL).",
        "advice": "Give the agent another Client ID.",
        "unsure": "",
    },
}

PLACES: Final[Mapping[str, Mapping[str, str]]] = {
    "keycloak": {
        "application": "Clients > the client > Settings > Client ID",
        "callback": "Clients > the client > Settings > Valid redirect URIs",
        "grant-types": "Clients > the client > Settings > Capability config",
        "credentials": "Clients > the client > Credentials",
        "scopes": "Clients > the client > Client scopes: each scope is assigned, as Optional",
        "token-audience": "Clients > the client > Client scopes > the dedicated scope > Add mapper > Audience",
        "accepted": "Clients > the client > Client scopes: `basic` is there (it adds the claim sub)",
        "role": "Users > the user > Role mapping > Assign role (a machine: Clients > the client > Service accounts"
        " roles)",
        "refresh-token": "Clients > the client > Client scopes: `offline_access` is there",
        "registration": "Clients > Client registration > Anonymous access policies",
    },
    "entra": {
        "application": "App registrations > the agent's app > Overview > Application (client) ID",
        "callback": "App registrations > the agent's app > Authentication > Redirect URIs",
        "credentials": "App registrations > the agent's app > Certificates & secrets",
        "scopes": "App registrations > the API's app > Expose an API > Scopes",
        "token-audience": "App registrations > the API's app > Manifest: requestedAccessTokenVersion is 2",
        "accepted": "App registrations > the API's app > Manifest: requestedAccessTokenVersion is 2",
        "role": "App registrations > the API's app > Expose an API (a machine: App roles), then the agent's app > API"
        " permissions",
    },
    "okta": {
        "application": "Applications > the application > General > Client Credentials",
        "callback": "Applications > the application > General > Sign-in redirect URIs",
        "grant-types": "Applications > the application > General > Grant type",
        "credentials": "Applications > the application > General > Client Credentials",
        "scopes": "Security > API > Authorization Servers > the server > Scopes",
        "token-audience": "Security > API > Authorization Servers > the server > Settings > Audience",
        "role": "Security > API > Authorization Servers > the server > Scopes, and Access Policies",
        "refresh-token": "Applications > the application > General > Grant type > Refresh Token",
    },
    "cognito": {
        "application": "User pools > the pool > App clients",
        "callback": "User pools > the pool > App clients > the client > Login pages > Allowed callback URLs",
        "grant-types": "User pools > the pool > App clients > the client > Login pages > OAuth grant types",
        "credentials": "User pools > the pool > App clients > the client > Client secret",
        "scopes": "User pools > the pool > App clients > the client > Login pages > Custom scopes",
        "token-audience": "User pools > the pool > Domain > Resource servers > Identifier",
        "role": "User pools > the pool > App clients > the client > Login pages > Custom scopes",
    },
    "zitadel": {
        "application": "Projects > the project > Applications > the application > Client ID",
        "callback": "Projects > the project > Applications > the application > Redirect Settings",
        "token": "Projects > the project > Applications > the application > Token Settings > Auth Token Type: JWT",
        "token-audience": "Projects > the project > Resource Id",
        "role": "Projects > the project > Role Assignments",
        "refresh-token": "Projects > the project > Applications > the application > Refresh Token",
    },
    "authkit": {
        "application": "Connect > Applications > the application > Client ID",
        "callback": "Connect > Applications > the application > Redirect URIs",
        "token-audience": "Connect > Configuration > MCP: the resource indicator is the server's URL",
        "role": "Users > the user > Role, and Authentication > Sessions > JWT template (`permissions`)",
        "registration": "Connect > Configuration > MCP > Dynamic Client Registration",
    },
}
"""Where the fix of a check is made in the provider's console."""

_VARIABLES: Final = re.compile(r"\bAUTH0_(ISSUER|AUDIENCE|CLIENT_ID|CLIENT_SECRET|CLIENT_PRIVATE_KEY|CA_FILE)\b")


def entry_for(check: str, profile: str) -> Entry:
    """The texts of a check for a provider.

    Args:
        check: a name of `ENTRIES`.
        profile: a name of `TITLES`.
    """
    entry = ENTRIES[check]
    if profile == AUTH0:
        return entry
    own = {"title": entry.title, "cause": entry.cause, "advice": entry.advice, "unsure": entry.unsure}
    texts = {name: _named(text) for name, text in {**own, **_OTHERS.get(check, {})}.items()}
    return replace(
        entry,
        title=texts["title"],
        cause=texts["cause"],
        advice=texts["advice"],
        unsure=texts["unsure"],
        symptoms=tuple(map(_named, entry.symptoms)),
        dashboard=PLACES.get(profile, {}).get(check, ""),
        command="",
        environment=_named(entry.environment),
    )


def in_words_of(profile: str, text: str) -> str:
    """A message for a person, which may contain texts of the catalogue, in the words for this provider."""
    if profile == AUTH0:
        return text
    for check, members in _OTHERS.items():
        for name in ("cause", "advice"):
            text = text.replace(getattr(ENTRIES[check], name), members.get(name, getattr(ENTRIES[check], name)))
    return _named(text)


def spoken_profile() -> str:
    """The provider that environment and `.env` name, for messages: also if the settings are wrong."""
    try:
        file = dotenv_values(".env", encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        file = {}
    given = {**file, **os.environ}
    configured = given.get("OIDC_PROFILE") or ("oidc" if given.get("OIDC_ISSUER") else AUTH0)
    return configured if configured in TITLES else "oidc"


def _named(text: str) -> str:
    """The text with the names of the variables for all providers."""
    return _VARIABLES.sub(r"OIDC_\1", text.replace(" (or AUTH0_DOMAIN)", "").replace("AUTH0_DOMAIN", "OIDC_ISSUER"))
