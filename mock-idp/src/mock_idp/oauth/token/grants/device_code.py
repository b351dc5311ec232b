"""The device code grant (RFC 8628 section 3.4)."""

from __future__ import annotations

from ....errors import AccessDenied, AuthorizationPending, ExpiredToken, InvalidGrant, SlowDown
from ....state.store import POLLING_INTERVAL, DeviceAuthorization
from ....tenant.model import GRANT_DEVICE
from . import Granted, TokenRequest, authorize_for_user
from .refresh_token import issue_refresh_token

GRANT_TYPE = GRANT_DEVICE
INVALID_CODE = "Invalid or expired device code."


def redeem(request: TokenRequest) -> Granted:
    """Tokens if the person has confirmed the device; before that AuthorizationPending or SlowDown."""
    idp, sent = request.idp, request.required("device_code")
    now = idp.clock.now()
    device = idp.store.devices.get(sent, now)
    if device is None or device.client_id != request.client.client_id or device.issuer != request.issuer:
        raise InvalidGrant(
            INVALID_CODE,
            guess="invalid_device_code",
            why="The device code is unknown, was used, or is another client's.",
        )
    if device.decision != "pending" or device.code_expires_at <= now:
        idp.store.devices.drop(sent)
    _check_decision(device, now)
    authorization = authorize_for_user(
        request,
        InvalidGrant(
            INVALID_CODE, guess="invalid_device_code", why="The user or the API was removed after the sign-in."
        ),
        user_id=device.user_id,
        audience=device.audience,
        scopes=device.scopes,
        auth_time=device.auth_time,
        session_id=device.session_id,
        outcome=device.outcome,
    )
    return Granted(authorization, issue_refresh_token(idp, authorization), requested=device.scopes)


def _check_decision(device: DeviceAuthorization, now: float) -> None:
    if device.decision == "denied":
        raise AccessDenied("User cancelled the confirmation prompt.")
    if device.code_expires_at <= now:
        raise ExpiredToken("The device code has expired.")
    if device.decision == "approved":
        return
    too_soon = device.polled_at is not None and now - device.polled_at < POLLING_INTERVAL
    device.polled_at = now
    if too_soon:
        raise SlowDown(f"You are polling faster than the specified interval of {POLLING_INTERVAL} seconds.")
    raise AuthorizationPending("User has yet to authorize device code.")
