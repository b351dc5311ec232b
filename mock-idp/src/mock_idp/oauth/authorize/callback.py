"""Redirect URIs: whether one is registered, and whether its owner can be verified."""

from __future__ import annotations

from urllib.parse import urlsplit

from ...behaviours.switches import Behaviours
from ...errors import PageError
from ...explanations import Case
from ...formats.origins import has_placeholder
from ...formats.urls import compare, has_port, is_loopback_name, is_loopback_uri, without_port
from ...tenant.model import Client
from ..clients.metadata_documents import is_metadata_url


def checked_callback(
    client: Client, redirect_uri: str | None, behaviours: Behaviours, organization: str | None = None
) -> str:
    """The redirect URI if it is registered, character by character (OAuth 2.1 section 2.3.1); PageError otherwise.

    A callback of a first-party client may have a placeholder for a subdomain, which can be the name of the
    `organization` (Auth0: Subdomain URL Placeholders). A request without redirect_uri gets the client's only one
    (RFC 6749 section 3.1.2.3). `behaviours` says which loopback callbacks match on any port (RFC 8252 section 7.3).
    """
    if redirect_uri is None:
        return _only_callback(client, behaviours)
    if client.lists(redirect_uri, client.callbacks, organization):
        return redirect_uri
    if matched_on_any_port(client, redirect_uri, behaviours) is not None:
        return redirect_uri
    raise PageError(
        "unauthorized_client",
        "Callback URL mismatch.",
        _mismatch(client, redirect_uri),
    )


def matched_on_any_port(client: Client, redirect_uri: str, behaviours: Behaviours) -> str | None:
    """The registered loopback callback that the redirect URI equals except for its port; None if there is none."""
    if redirect_uri in client.callbacks or not is_loopback_uri(redirect_uri):
        return None
    known = [uri for uri in client.callbacks if is_loopback_uri(uri)]
    if behaviours.loopback_redirect == "exact":
        known = []
    elif behaviours.loopback_redirect == "documents":
        known = [uri for uri in known if is_metadata_url(client.client_id) and not has_port(uri)]
    return next((uri for uri in known if without_port(uri) == without_port(redirect_uri)), None)


def is_verifiable(redirect_uri: str) -> bool:
    """Whether the callback belongs to the owner of a host name. Loopback addresses and custom schemes do not.

    Source: Auth0, Measures Against Application Impersonation.
    """
    parts = urlsplit(redirect_uri)
    return parts.scheme in ("http", "https") and not is_loopback_name(parts.hostname or "")


def _only_callback(client: Client, behaviours: Behaviours) -> str:
    usable = behaviours.omitted_redirect_uri and not any(map(has_placeholder, client.callbacks))
    if len(client.callbacks) == 1 and usable:
        return client.callbacks[0]
    raise PageError(
        "invalid_request",
        "Missing required parameter: redirect_uri",
        Case("callback_missing", client=client.name, registered=client.callbacks, count=str(len(client.callbacks))),
        guess="missing_redirect_uri",
    )


def _mismatch(client: Client, sent: str) -> Case:
    nearest = compare(sent, client.callbacks)
    only_port = nearest is not None and nearest.kinds == ("port",) and is_loopback_uri(sent)
    return Case(
        "callback_port" if only_port else "callback_mismatch",
        client=client.name,
        sent=sent,
        registered=client.callbacks,
        difference=nearest.kinds if nearest else (),
        nearest=nearest.nearest if nearest and nearest.is_similar else "",
    )
