"""Clients that registered themselves, dynamically (DCR) or by a metadata document (CIMD)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ...errors import InvalidClientMetadata, InvalidRedirectUri, OAuthError
from ...formats.callback_schemes import is_application_scheme
from ...formats.urls import is_loopback_name
from ...state.idp import Idp
from ...tenant.model import Client, RefreshPolicy

GRANT_TYPES = ("authorization_code", "refresh_token")
MAX_NAME = 255
MAX_REGISTERED = 1000
REFRESH_LIFETIME = 2592000
# RFC 3986 appendix A. Browsers read other characters in a way of their own, such as a backslash as a slash.
URI = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
# Unicode's general categories: control, format (also bidirectional), surrogate, private use, unassigned, separators.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


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


def given(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The members that have a value. A member that is null is not given (RFC 7591 section 2)."""
    return {name: value for name, value in metadata.items() if value is not None}


def registered_text(name: str, value: object, *, max_length: int = MAX_NAME) -> str:
    """A text of the metadata as the pages show it: on one line, without invisible characters.

    A bidirectional or a zero-width character would let a client look like another one. InvalidClientMetadata if the
    value is no text, has markup, is too long, or has nothing visible.
    """
    if not isinstance(value, str):
        raise InvalidClientMetadata(f"{name} must be a text")
    # A line break or a tab separates words, so a space takes its place.
    text = "".join(" " if one.isspace() else one for one in value)
    text = " ".join("".join(one for one in text if unicodedata.category(one) not in INVISIBLE).split())
    if not text or len(text) > max_length or "<" in text or ">" in text:
        raise InvalidClientMetadata(f"{name} must be a text of 1 to {max_length} visible characters, without < and >")
    return text


def checked_redirect_uri(value: object, *, error: type[OAuthError] = InvalidRedirectUri) -> str:
    """The redirect URI if it can be registered: absolute, without a wildcard, and safe to send a browser to."""
    if not isinstance(value, str):
        raise error("redirect_uris must be a list of URIs")
    try:
        parts = urlsplit(value)
        _ = parts.hostname, parts.port
    except ValueError as reason:
        raise error(f"{value} is not a URI") from reason
    if not URI.fullmatch(value):
        raise error(f"{value!r} is not a URI: it has a character that RFC 3986 does not allow")
    if "#" in value or "*" in value:
        raise error(f"{value} must not contain a fragment or a wildcard")
    if parts.scheme in ("http", "https"):
        _check_web_address(value, error)
    elif not is_application_scheme(parts.scheme):
        raise error(
            f"{value} must be https, http on a loopback address, or have an application's own scheme in the form of a "
            "reversed domain name, such as com.example.app:/callback"
        )
    return value


def _check_web_address(value: str, error: type[OAuthError]) -> None:
    parts = urlsplit(value)
    if not parts.hostname or parts.username is not None:
        raise error(f"{value} must have a host and no user")
    if parts.scheme == "http" and not is_loopback_name(parts.hostname):
        # MCP requires it of clients. How Auth0 treats such a callback is not established (?).
        raise error(f"{value} must use https, since it is not on a loopback address")
