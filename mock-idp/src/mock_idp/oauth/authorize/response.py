"""How a sign-in ends: at the callback (RFC 6749 section 4.1.2, RFC 9207), on a page, or at a device (RFC 8628)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import Response

from ...errors import AuthorizationError, PageError
from ...explanations import Case
from ...formats.origins import origin_of
from ...pages.models import FormPostPage, MessagePage, WebMessagePage
from ...pages.rendering import render
from ...state.idp import Idp
from ...state.journal import note_refusal
from ...state.store import AuthorizationRequest, DeviceAuthorization, Session, Transaction
from ...web.request import idp_of
from ..answers import answer_to, error_page, redirect

logger = logging.getLogger(__name__)

EXPIRED = "This code has expired. Start again on your device."


def send_to_callback(request: Request, auth_request: AuthorizationRequest, parameters: Mapping[str, str]) -> Response:
    """Deliver `parameters` and `state`; also `iss` if the tenant is set to send it."""
    answer = dict(parameters)
    if auth_request.state is not None:
        answer["state"] = auth_request.state
    if idp_of(request).tenant.settings.authorization_response_iss_parameter_supported:
        answer["iss"] = auth_request.issuer
    if auth_request.response_mode == "form_post":
        return render(request, FormPostPage(auth_request.redirect_uri, answer))
    origin = origin_of(auth_request.redirect_uri)
    if auth_request.response_mode == "web_message" and origin is not None:
        return render(request, WebMessagePage(origin, answer))
    return redirect(
        _with_parameters(auth_request.redirect_uri, answer, fragment=auth_request.response_mode == "fragment")
    )


def refuse(
    request: Request, auth_request: AuthorizationRequest, error: AuthorizationError, *, to_page: bool
) -> Response:
    """Deliver an error to the callback, or on a page for clients under open_redirect_protection."""
    if to_page or isinstance(error, PageError):
        return error_page(request, error, kept_from=_kept_from(request, auth_request, error))
    logger.info("authorization refused: %s: %s", error.error, error.description)
    answer = answer_to(idp_of(request), error)
    note_refusal(request, answer.error, answer.description, error.case)
    parameters = {"error": answer.error, "error_description": answer.description}
    return send_to_callback(request, auth_request, parameters)


def approve_device(request: Request, key: str, session: Session, transaction: Transaction) -> Response:
    """Let the device act for the person who is signed in. PageError if the device no longer waits."""
    device = _pending(idp_of(request), key)
    device.decision = "approved"
    device.user_id = session.user_id
    device.auth_time = session.auth_time
    device.session_id = session.session_id
    device.outcome = transaction.outcome
    return render(request, MessagePage("device_connected"))


def deny_device(request: Request, key: str) -> Response:
    _pending(idp_of(request), key).decision = "denied"
    return render(request, MessagePage("device_denied"))


def _pending(idp: Idp, key: str) -> DeviceAuthorization:
    now = idp.clock.now()
    device = idp.store.devices.get(key, now)
    if device is None or device.decision != "pending" or device.code_expires_at <= now:
        raise PageError("expired_token", EXPIRED, Case("device_code_expired"))
    return device


def _kept_from(request: Request, auth_request: AuthorizationRequest, error: AuthorizationError) -> str | None:
    """The name of the client, if only its redirection policy keeps the error on a page."""
    if isinstance(error, PageError) or not auth_request.redirect_uri:
        return None
    client = idp_of(request).tenant.clients.get(auth_request.client_id)
    return client.name if client is not None else None


def _with_parameters(url: str, parameters: Mapping[str, str], *, fragment: bool) -> str:
    parts = urlsplit(url)
    encoded = urlencode(parameters)
    if fragment:
        return urlunsplit(parts._replace(fragment=encoded))
    return urlunsplit(parts._replace(query=f"{parts.query}&{encoded}" if parts.query else encoded))
