from __future__ import annotations

from starlette.responses import Response

from .errors import PageError
from .idp import Idp
from .pages import MessagePage, render
from .store import DeviceAuthorization, Session


def approve_device(idp: Idp, key: str, session: Session) -> Response:
    """The person who is signed in lets the device act for them. PageError when nobody waits any more."""
    device = _pending(idp, key)
    device.decision = "approved"
    device.user_id = session.user_id
    device.auth_time = session.auth_time
    device.session_id = session.session_id
    return render(MessagePage("Congratulations, you're all set!", "Your device is now connected."))


def deny_device(idp: Idp, key: str) -> Response:
    _pending(idp, key).decision = "denied"
    return render(MessagePage("Device not connected", "You cancelled. The device got no access."))


def _pending(idp: Idp, key: str) -> DeviceAuthorization:
    now = idp.clock.now()
    device = idp.store.devices.get(key, now)
    if device is None or device.decision != "pending" or device.code_expires_at <= now:
        raise PageError("expired_token", "This code has expired. Start again on your device.")
    return device
