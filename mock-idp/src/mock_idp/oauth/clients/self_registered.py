"""Clients that nobody in the tenant made: they registered themselves, or are known by their metadata document."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from ...errors import InvalidRedirectUri, OAuthError
from ...formats.urls import is_loopback_name
from ...state.idp import Idp
from ...tenant.model import Client, PublicKey, RefreshPolicy

GRANT_TYPES = ("authorization_code", "refresh_token")
# Schemes that a browser runs or opens instead of handing them to an application.
UNSAFE_SCHEMES = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "ftp", "ws", "wss"})
MAX_REGISTERED = 1000
REFRESH_LIFETIME = 2592000


def self_registered(
    client_id: str,
    name: str,
    *,
    registration: Literal["dcr", "cimd"],
    native: bool,
    strict: bool,
    callbacks: tuple[str, ...],
    grant_types: frozenset[str],
    auth_method: str,
    secret: str = "",
    public_keys: tuple[PublicKey, ...] = (),
) -> Client:
    """The client, under the rules that all of them have."""
    return Client(
        client_id=client_id,
        name=name,
        secret=secret,
        app_type="native" if native else "regular_web",
        first_party=False,
        strict=strict,
        callbacks=callbacks,
        logout_urls=(),
        grant_types=grant_types,
        auth_method=auth_method,
        redirection_policy="open_redirect_protection",
        refresh=RefreshPolicy(rotates=auth_method == "none", lifetime=REFRESH_LIFETIME),
        public_keys=public_keys,
        registration=registration,
    )


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
