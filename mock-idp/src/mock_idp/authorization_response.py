"""Answers of /authorize: to the callback (RFC 6749 section 4.1.2, RFC 9207), or a page where that is not safe."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.responses import RedirectResponse, Response

from .answering import error_page, settled
from .authorization_request import Addressee
from .errors import AuthorizationError, PageError
from .idp import Idp
from .pages import FormPostPage, render
from .store import AuthorizationRequest

logger = logging.getLogger(__name__)

Recipient = Addressee | AuthorizationRequest


def send_to_callback(idp: Idp, recipient: Recipient, parameters: Mapping[str, str]) -> Response:
    """Deliver `parameters`, `state` and, where the tenant says so, `iss`."""
    answer = dict(parameters)
    if recipient.state is not None:
        answer["state"] = recipient.state
    if idp.tenant.settings.authorization_response_iss_parameter_supported:
        answer["iss"] = recipient.issuer
    if recipient.response_mode == "form_post":
        return render(FormPostPage(recipient.redirect_uri, answer))
    url = _with_parameters(recipient.redirect_uri, answer, fragment=recipient.response_mode == "fragment")
    return RedirectResponse(url, status_code=302, headers={"Cache-Control": "no-store"})


def refuse(idp: Idp, recipient: Recipient, error: AuthorizationError, *, to_page: bool) -> Response:
    """Deliver an error: redirected, or as a page for clients under open_redirect_protection."""
    if to_page or isinstance(error, PageError):
        return error_page(idp, error)
    logger.info("authorization refused: %s: %s", error.error, error.description)
    answer = settled(idp, error)
    return send_to_callback(idp, recipient, {"error": answer.error, "error_description": answer.description})


def _with_parameters(url: str, parameters: Mapping[str, str], *, fragment: bool) -> str:
    parts = urlsplit(url)
    encoded = urlencode(parameters)
    if fragment:
        return urlunsplit(parts._replace(fragment=encoded))
    return urlunsplit(parts._replace(query=f"{parts.query}&{encoded}" if parts.query else encoded))
