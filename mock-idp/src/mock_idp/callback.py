"""Redirect URIs: which are registered, and which a tenant can trust (auth0.md A3)."""

from __future__ import annotations

from urllib.parse import urlsplit

from .differences import compare
from .errors import PageError
from .explanations import Case
from .settings import is_loopback_name
from .tenant import Client


def checked_callback(client: Client, redirect_uri: str | None, *, mismatch_status: int) -> str:
    """The redirect URI if it is registered, character for character (OAuth 2.1 section 2.3.1); PageError otherwise.

    A request without one gets the registered one if there is exactly one (RFC 6749 section 3.1.2.3).
    """
    if redirect_uri is None:
        return _only_callback(client)
    if redirect_uri not in client.callbacks:
        raise PageError(
            "unauthorized_client",
            "Callback URL mismatch.",
            _mismatch(client, redirect_uri),
            status=mismatch_status,
        )
    return redirect_uri


def is_verifiable(redirect_uri: str) -> bool:
    """Whether a name's owner stands behind the callback: not so for loopback addresses and custom schemes.

    Source: Auth0, Measures Against Application Impersonation.
    """
    parts = urlsplit(redirect_uri)
    return parts.scheme in ("http", "https") and not is_loopback_name(parts.hostname or "")


def _only_callback(client: Client) -> str:
    if len(client.callbacks) == 1:
        return client.callbacks[0]
    raise PageError(
        "invalid_request",
        "Missing required parameter: redirect_uri",
        Case("callback_missing", client=client.name, registered=client.callbacks, count=str(len(client.callbacks))),
    )


def _mismatch(client: Client, sent: str) -> Case:
    nearest = compare(sent, client.callbacks)
    return Case(
        "callback_mismatch",
        client=client.name,
        sent=sent,
        registered=client.callbacks,
        difference=nearest.kinds if nearest else (),
        nearest=nearest.nearest if nearest and nearest.is_slip else "",
    )
