"""Dynamic Client Registration (RFC 7591; Auth0: Dynamic Client Registration)."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .answering import refused
from .errors import AccessDenied, InvalidClientMetadata, InvalidRedirectUri, OAuthError
from .idp import Idp
from .loopback import is_loopback_name
from .tenant import Client, RefreshPolicy
from .web import NO_STORE, idp_of, json_object

ALPHANUMERIC = string.ascii_letters + string.digits
GRANT_TYPES = ("authorization_code", "refresh_token")
AUTH_METHODS = ("none", "client_secret_post", "client_secret_basic")
# Schemes that a browser runs or opens instead of handing them to an application.
UNSAFE_SCHEMES = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "ftp", "ws", "wss"})
# Auth0 has the same default when the name is left out (auth0/docs, pull request 6025).
DEFAULT_NAME = "My App"
MAX_REDIRECT_URIS = 50
MAX_REGISTERED = 1000
REFRESH_LIFETIME = 2592000


async def register(request: Request) -> Response:
    """POST /oidc/register: anybody may register a third-party client, where the tenant allows it."""
    idp = idp_of(request)
    try:
        _check_enabled(idp)
        metadata = await json_object(request)
        client = _client(idp, metadata)
    except OAuthError as error:
        idp.log.add("fapi", f"Dynamic client registration: {error.description}", details=error.why)
        return refused(idp, error)
    add_registered(idp, client)
    idp.log.add("sapi", "Dynamic client registration", client=client)
    status = idp.behaviours.registration_status
    return JSONResponse(_answer(client), status_code=status, headers=NO_STORE)


def add_registered(idp: Idp, client: Client) -> None:
    """Keep a client that registered itself. The oldest of them gives way when there are too many."""
    clients = idp.tenant.clients
    clients[client.client_id] = client
    registered = [key for key, known in clients.items() if known.registration in ("dcr", "cimd")]
    for key in registered[:-MAX_REGISTERED]:
        del clients[key]


def checked_redirect_uri(value: object, *, error: type[OAuthError] = InvalidRedirectUri) -> str:
    """A redirect URI that can be registered: absolute, exact, and to a place that a browser can be sent to."""
    if not isinstance(value, str) or not value.isascii() or any(character.isspace() for character in value):
        raise error("redirect_uris must be a list of URIs")
    try:
        parts = urlsplit(value)
        _ = parts.hostname, parts.port
    except ValueError as reason:
        raise error(f"{value} is not a URI") from reason
    if "#" in value or "*" in value:
        raise error(f"{value} must not contain a fragment or a wildcard")
    if parts.scheme in ("http", "https"):
        _check_web_address(value, error)
    elif not parts.scheme or parts.scheme in UNSAFE_SCHEMES:
        raise error(f"{value} must be https, http on a loopback address, or have an application's own scheme")
    return value


def _check_web_address(value: str, error: type[OAuthError]) -> None:
    parts = urlsplit(value)
    if not parts.hostname or parts.username is not None:
        raise error(f"{value} must have a host and no user")
    if parts.scheme == "http" and not is_loopback_name(parts.hostname):
        # MCP demands it of clients; what Auth0 does with such a callback is not established (?).
        raise error(f"{value} must use https, since it is not on a loopback address")


def _check_enabled(idp: Idp) -> None:
    if idp.tenant.settings.enable_dynamic_client_registration:
        return
    raise AccessDenied(
        "Dynamic client registration is not enabled for this tenant",
        guess="registration_off",
        why="flags.enable_dynamic_client_registration is off, as in every new tenant; discovery lists the endpoint "
        "all the same.",
    )


def _client(idp: Idp, metadata: Mapping[str, Any]) -> Client:
    method = metadata.get("token_endpoint_auth_method", "client_secret_post")
    if method not in AUTH_METHODS:
        raise InvalidClientMetadata(f"token_endpoint_auth_method must be one of {', '.join(AUTH_METHODS)}")
    strict = idp.tenant.settings.dynamic_client_registration_security_mode == "strict"
    public = method == "none"
    return Client(
        client_id=("tpc_" if strict else "") + _random(32),
        name=_name(metadata),
        secret="" if public else _random(64),
        app_type="native" if public else "regular_web",
        first_party=False,
        strict=strict,
        callbacks=_redirect_uris(metadata),
        logout_urls=(),
        grant_types=_grant_types(metadata),
        auth_method=method,
        redirection_policy="open_redirect_protection",
        id_token_alg="RS256",  # noqa: S106 - an algorithm
        id_token_lifetime=36000,
        refresh=RefreshPolicy(rotates=public, lifetime=REFRESH_LIFETIME),
        registration="dcr",
    )


def _name(metadata: Mapping[str, Any]) -> str:
    name = metadata.get("client_name", DEFAULT_NAME)
    if not isinstance(name, str) or not name.strip() or len(name) > 255 or any(c in "<>" for c in name):
        raise InvalidClientMetadata("client_name must be a text without < and >")
    return name


def _redirect_uris(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    uris = metadata.get("redirect_uris")
    if not isinstance(uris, list) or not 0 < len(uris) <= MAX_REDIRECT_URIS:
        raise InvalidRedirectUri(f"redirect_uris must be a list of 1 to {MAX_REDIRECT_URIS} URIs")
    return tuple(checked_redirect_uri(uri) for uri in uris)


def _grant_types(metadata: Mapping[str, Any]) -> frozenset[str]:
    """What was asked for, without what such a client cannot have."""
    asked = metadata.get("grant_types", list(GRANT_TYPES))
    if not isinstance(asked, list) or not all(isinstance(grant, str) for grant in asked):
        raise InvalidClientMetadata("grant_types must be a list of texts")
    allowed = frozenset(asked) & frozenset(GRANT_TYPES)
    if not allowed:
        raise InvalidClientMetadata(f"grant_types must contain one of {', '.join(GRANT_TYPES)}")
    return allowed


def _answer(client: Client) -> dict[str, Any]:
    answer: dict[str, Any] = {"client_name": client.name, "client_id": client.client_id}
    if client.auth_method != "none":
        answer["client_secret"] = client.secret
    return {
        **answer,
        "redirect_uris": list(client.callbacks),
        "client_secret_expires_at": 0,
        "grant_types": [grant for grant in GRANT_TYPES if grant in client.grant_types],
        "token_endpoint_auth_method": client.auth_method,
    }


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHANUMERIC) for _ in range(length))
