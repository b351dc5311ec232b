"""Answers of /authorize: to the callback (RFC 6749 section 4.1.2, RFC 9207), or a page where that is not safe."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ...errors import AuthorizationError, PageError
from ...pages.models import FormPostPage
from ...pages.rendering import render
from ...state.journal import note_refusal
from ...state.store import AuthorizationRequest
from ...web.request import idp_of
from ..answers import error_page, settled
from .request import Addressee

logger = logging.getLogger(__name__)

Recipient = Addressee | AuthorizationRequest


def send_to_callback(request: Request, recipient: Recipient, parameters: Mapping[str, str]) -> Response:
    """Deliver `parameters`, `state` and, where the tenant says so, `iss`."""
    answer = dict(parameters)
    if recipient.state is not None:
        answer["state"] = recipient.state
    if idp_of(request).tenant.settings.authorization_response_iss_parameter_supported:
        answer["iss"] = recipient.issuer
    if recipient.response_mode == "form_post":
        return render(request, FormPostPage(recipient.redirect_uri, answer))
    url = _with_parameters(recipient.redirect_uri, answer, fragment=recipient.response_mode == "fragment")
    return RedirectResponse(url, status_code=302, headers={"Cache-Control": "no-store"})


def refuse(request: Request, recipient: Recipient, error: AuthorizationError, *, to_page: bool) -> Response:
    """Deliver an error: redirected, or as a page for clients under open_redirect_protection."""
    if to_page or isinstance(error, PageError):
        return error_page(request, error, kept_from=_kept_from(request, recipient, error))
    logger.info("authorization refused: %s: %s", error.error, error.description)
    answer = settled(idp_of(request), error)
    note_refusal(request, answer.error, answer.description, error.case)
    parameters = {"error": answer.error, "error_description": answer.description}
    return send_to_callback(request, recipient, parameters)


def _kept_from(request: Request, recipient: Recipient, error: AuthorizationError) -> str | None:
    """The client whose redirection policy alone keeps the error on a page."""
    if isinstance(error, PageError) or not recipient.redirect_uri:
        return None
    if isinstance(recipient, Addressee):
        return recipient.client.name
    client = idp_of(request).tenant.clients.get(recipient.client_id)
    return client.name if client is not None else None


def _with_parameters(url: str, parameters: Mapping[str, str], *, fragment: bool) -> str:
    parts = urlsplit(url)
    encoded = urlencode(parameters)
    if fragment:
        return urlunsplit(parts._replace(fragment=encoded))
    return urlunsplit(parts._replace(query=f"{parts.query}&{encoded}" if parts.query else encoded))
