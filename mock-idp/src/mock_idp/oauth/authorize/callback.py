"""Redirect URIs: whether one is registered, and whether its owner can be verified."""

from __future__ import annotations

from urllib.parse import urlsplit

from ...behaviours.switches import Behaviours
from ...errors import PageError
from ...explanations import Case
from ...formats.urls import compare, is_loopback_name
from ...tenant.model import Client


def checked_callback(client: Client, redirect_uri: str | None, behaviours: Behaviours) -> str:
    """The redirect URI if it is registered, character by character (OAuth 2.1 section 2.3.1); PageError otherwise.

    A request without redirect_uri gets the client's only one (RFC 6749 section 3.1.2.3). `behaviours` can allow any
    port of a loopback callback (RFC 8252 section 7.3).
    """
    if redirect_uri is None:
        return _only_callback(client, behaviours)
    any_port = behaviours.loopback_redirect == "any_port"
    registered = redirect_uri in client.callbacks or (any_port and _matches_on_loopback(client, redirect_uri))
    if not registered:
        raise PageError(
            "unauthorized_client",
            "Callback URL mismatch.",
            _mismatch(client, redirect_uri),
        )
    return redirect_uri


def is_verifiable(redirect_uri: str) -> bool:
    """Whether the callback belongs to the owner of a host name. Loopback addresses and custom schemes do not.

    Source: Auth0, Measures Against Application Impersonation.
    """
    parts = urlsplit(redirect_uri)
    return parts.scheme in ("http", "https") and not is_loopback_name(parts.hostname or "")


def _matches_on_loopback(client: Client, redirect_uri: str) -> bool:
    sent = _without_loopback_port(redirect_uri)
    return sent is not None and any(_without_loopback_port(known) == sent for known in client.callbacks)


def _without_loopback_port(uri: str) -> tuple[str, str, str] | None:
    """Host, path and query of an http URI on a loopback name; None for any other."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or not is_loopback_name(host) or "@" in parts.netloc or "#" in uri or "\\" in uri:
        return None
    return host, parts.path, parts.query


def _only_callback(client: Client, behaviours: Behaviours) -> str:
    if len(client.callbacks) == 1 and behaviours.omitted_redirect_uri:
        return client.callbacks[0]
    raise PageError(
        "invalid_request",
        "Missing required parameter: redirect_uri",
        Case("callback_missing", client=client.name, registered=client.callbacks, count=str(len(client.callbacks))),
        guess="missing_redirect_uri",
    )


def _mismatch(client: Client, sent: str) -> Case:
    nearest = compare(sent, client.callbacks)
    return Case(
        "callback_mismatch",
        client=client.name,
        sent=sent,
        registered=client.callbacks,
        difference=nearest.kinds if nearest else (),
        nearest=nearest.nearest if nearest and nearest.is_similar else "",
    )
