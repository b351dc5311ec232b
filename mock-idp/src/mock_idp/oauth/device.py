"""The Device Authorization Flow (RFC 8628; Auth0: Authorize Device): the device's endpoint and the person's page."""

from __future__ import annotations

import re
import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import AuthorizationError, GrantNotAllowed, InvalidRequest, OAuthError
from ..pages.languages import ask_for
from ..pages.models import ActivatePage
from ..pages.rendering import render
from ..state.idp import Idp
from ..state.store import POLLING_INTERVAL, AuthorizationRequest, DeviceAuthorization
from ..tenant.model import GRANT_DEVICE, Client
from ..web.cookies import set_browser_mark
from ..web.request import NO_STORE, body_pairs, form_pairs, idp_of, issuer_of, single_values
from .answers import error_response, redirect, with_error_pages
from .audience import requested_audience
from .authorize.transactions import begin_transaction
from .clients.authentication import authenticate
from .organizations import check_grant
from .scopes import split_scope

CODE_LIFETIME = 900
# An expired code is kept for this many seconds. It is answered with `expired_token` once, then with `invalid_grant`.
MEMORY = 3600
# Without vowels, so that no code is a word (RFC 8628 section 6.1).
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


async def device_code(request: Request) -> Response:
    """POST /oauth/device/code: a code for the device and one for the person."""
    idp = idp_of(request)
    try:
        pairs = await body_pairs(request)
        parameters = single_values(pairs, repeatable=frozenset({"resource"}))
        client = authenticate(idp, request, parameters)
        if GRANT_DEVICE not in client.grant_types:
            raise GrantNotAllowed(GRANT_DEVICE)
        check_grant(client, GRANT_DEVICE)
        resources = [value for name, value in pairs if name == "resource" and value]
        audience = _audience(idp, client, parameters, resources)
    except OAuthError as error:
        idp.log.add("fdeaz", error.description, refusal=error)
        return error_response(idp, error)
    now = idp.clock.now()
    scopes = split_scope(parameters.get("scope"))
    device = DeviceAuthorization(
        _user_code(), client.client_id, scopes, audience, issuer_of(request), now + CODE_LIFETIME, now + MEMORY
    )
    return JSONResponse(_answer(idp.store.devices.add(device), device), headers=NO_STORE)


async def show_activation(request: Request) -> Response:
    """GET /activate: the page where a person enters the code from the device."""
    user_code = request.query_params.get("user_code", "")
    locales = request.query_params.get("ui_locales", "")
    return render(request, ActivatePage(user_code[:32], locales[:100]))


@with_error_pages
async def submit_activation(request: Request) -> Response:
    """POST /activate: find the device and begin the sign-in that confirms it."""
    idp = idp_of(request)
    form = single_values(await form_pairs(request))
    typed, locales = form.get("user_code", ""), form.get("ui_locales")
    ask_for(request, locales)
    found = _find(idp, typed)
    if found is None:
        idp.log.add("fdeac", "Failed to activate device.", details="The user code is unknown, expired or was used.")
        page = ActivatePage(typed[:32], locales or "", failed=True)
        return render(request, page, status=400)
    key, device = found
    state, transaction = begin_transaction(request, _as_request(device, locales), device=key)
    response = redirect(f"/authorize/resume?state={state}")
    set_browser_mark(request, response, transaction.browser)
    return response


def _audience(idp: Idp, client: Client, parameters: dict[str, str], resources: list[str]) -> str | None:
    """The audience, as at /authorize. A refusal is JSON here."""
    try:
        return requested_audience(idp.tenant, client, parameters, resources)
    except AuthorizationError as error:
        refusal = InvalidRequest(error.description, case=error.case, guess="device_refused")
        refusal.error, refusal.status = error.error, error.status
        raise refusal from error


def _user_code() -> str:
    letters = [secrets.choice(USER_CODE_LETTERS) for _ in range(8)]
    return f"{''.join(letters[:4])}-{''.join(letters[4:])}"


def _answer(key: str, device: DeviceAuthorization) -> dict[str, str | int]:
    page = f"{device.issuer}activate"
    return {
        "device_code": key,
        "user_code": device.user_code,
        "verification_uri": page,
        "expires_in": CODE_LIFETIME,
        "interval": POLLING_INTERVAL,
        "verification_uri_complete": f"{page}?user_code={device.user_code}",
    }


def _find(idp: Idp, typed: str) -> tuple[str, DeviceAuthorization] | None:
    """The device that shows this code and waits for a decision. Case and separators of the code do not matter."""
    letters, now = _letters(typed), idp.clock.now()
    for key, device in idp.store.devices.items():
        if _letters(device.user_code) == letters and device.code_expires_at > now and device.decision == "pending":
            return key, device
    return None


def _letters(code: str) -> str:
    return re.sub(r"[^A-Z]", "", code.upper())


def _as_request(device: DeviceAuthorization, ui_locales: str | None) -> AuthorizationRequest:
    """The sign-in for a device. It always asks for consent, because consent is the confirmation of the device."""
    return AuthorizationRequest(
        client_id=device.client_id,
        issuer=device.issuer,
        redirect_uri="",
        scopes=device.scopes,
        audience=device.audience,
        prompt=frozenset({"consent"}),
        ui_locales=ui_locales,
    )
