from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ...errors import PageError
from ...explanations import Case
from ...pages.models import MessagePage
from ...pages.rendering import render
from ...state.idp import Idp
from ...state.store import DeviceAuthorization, Session
from ...web.request import idp_of

EXPIRED = "This code has expired. Start again on your device."


def approve_device(request: Request, key: str, session: Session) -> Response:
    """The person who is signed in lets the device act for them. PageError when nobody waits any more."""
    device = _pending(idp_of(request), key)
    device.decision = "approved"
    device.user_id = session.user_id
    device.auth_time = session.auth_time
    device.session_id = session.session_id
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
