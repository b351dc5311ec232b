"""Clients that registered themselves, dynamically (DCR) or by a metadata document (CIMD)."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from ...errors import InvalidRedirectUri, OAuthError
from ...formats.urls import is_loopback_name
from ...state.idp import Idp
from ...tenant.model import Client, RefreshPolicy

GRANT_TYPES = ("authorization_code", "refresh_token")
# A browser opens or runs URLs of these schemes itself; it does not pass them to an application.
UNSAFE_SCHEMES = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "ftp", "ws", "wss"})
MAX_REGISTERED = 1000
REFRESH_LIFETIME = 2592000


def add_registered(idp: Idp, client: Client) -> None:
    """Keep a client that registered itself, as a third-party client. If there are too many, the oldest are deleted."""
    clients = idp.tenant.clients
    clients[client.client_id] = replace(
        client,
        first_party=False,
        redirection_policy="open_redirect_protection",
        refresh=RefreshPolicy(rotates=client.auth_method == "none", lifetime=REFRESH_LIFETIME),
    )
    registered = [key for key, known in clients.items() if known.registration in ("dcr", "cimd")]
    for key in registered[:-MAX_REGISTERED]:
        del clients[key]


def checked_redirect_uri(value: object, *, error: type[OAuthError] = InvalidRedirectUri) -> str:
    """The redirect URI if it can be registered: absolute, without a wildcard, and safe to send a browser to."""
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
        # MCP requires it of clients. How Auth0 treats such a callback is not established (?).
        raise error(f"{value} must use https, since it is not on a loopback address")
