"""Pushed authorization requests (RFC 9126; Auth0: Authorization Code Flow with Pushed Authorization Requests)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...errors import (
    AuthorizationError,
    ClientAuthenticationFailed,
    DpopUnavailable,
    InvalidRequest,
    MalformedRequest,
    OAuthError,
    PageError,
)
from ...explanations import Case
from ...state.idp import Idp
from ...state.parameters import CLIENT, ENDPOINTS
from ...state.store import PushedRequest
from ...tenant.model import Client
from ...web.request import FORM, NO_STORE, form_pairs, idp_of, issuer_of, media_type, single_values
from ..answers import error_response
from ..clients.authentication import authenticate
from .request import REPEATABLE, STRICT_PARAMETERS, read_recipient, read_request

OFF = "Pushed authorization requests are not enabled."
PREFIX = "urn:ietf:params:oauth:request_uri:"
MAX_BODY = 10 * 1024
MAX_OWN = 10
# Neither a request object nor another pushed request can be pushed (RFC 9126 section 2.1).
KEPT = (ENDPOINTS["/authorize"] | STRICT_PARAMETERS) - {"request", "request_uri"}


class PushRefused(OAuthError):
    """The refusals of /authorize, as JSON."""

    guess = "par_refused"

    def __init__(self, description: str, *, why: str = "", error: str = "invalid_request") -> None:
        super().__init__(description, why=why)
        self.error = error


async def push(request: Request) -> Response:
    """POST /oauth/par: keep the parameters of a sign-in, and answer with the `request_uri` that stands for them."""
    idp = idp_of(request)
    client: Client | None = None
    try:
        pairs = await _pairs(request)
        parameters = single_values(pairs, repeatable=REPEATABLE)
        client = authenticate(idp, request, parameters)
        _check_client(idp, request, client)
        kept = _kept(parameters)
        resources = tuple(value for name, value in pairs if name == "resource" and value)
        _check_request(idp, issuer_of(request), {**kept, "client_id": client.client_id}, resources)
    except OAuthError as error:
        idp.log.add("f", f"{error.error} : {error.description}", client=client, refusal=error)
        return error_response(idp, error)
    lifetime = client.par_lifetime
    pushed = PushedRequest(client.client_id, issuer_of(request), kept, resources, idp.clock.now() + lifetime)
    key = idp.store.pushed_requests.add(pushed, prefix=PREFIX)
    return JSONResponse({"request_uri": key, "expires_in": lifetime}, status_code=201, headers=NO_STORE)


def taken_request(idp: Idp, issuer: str, parameters: Mapping[str, str]) -> PushedRequest | None:
    """The pushed request that a request to /authorize names, which it uses up; None if it names none.

    PageError if it is unknown, used, expired or another client's.
    """
    uri, client_id = parameters.get("request_uri"), parameters.get("client_id")
    client = idp.tenant.clients.get(client_id or "")
    if uri is None or not uri.startswith(PREFIX) or client is None or client.strict:
        return None
    if not idp.tenant.settings.pushed_authorization_requests_supported:
        raise PageError("invalid_request", OFF, Case("par_off"), guess="par_off")
    pushed = idp.store.pushed_requests.get(uri, idp.clock.now())
    if pushed is None or pushed.client_id != client_id or pushed.issuer != issuer:
        description = "The request_uri is invalid or has expired."
        raise PageError("invalid_request", description, Case("par_unknown", client=client.name), guess="par_unknown")
    idp.store.pushed_requests.drop(uri)
    return pushed


def check_need_not_be_pushed(idp: Idp, client: Client) -> None:
    """AuthorizationError if the client or the tenant accepts pushed requests only."""
    if not client.requires_par and not idp.tenant.settings.require_pushed_authorization_requests:
        return
    case = Case("par_required", client=client.name)
    description = "Pushed authorization requests are required."
    raise AuthorizationError("invalid_request", description, case, guess="par_required")


async def _pairs(request: Request) -> list[tuple[str, str]]:
    if media_type(request) != FORM:
        raise MalformedRequest(f"The body is not {FORM}")
    if len(await request.body()) > MAX_BODY:
        raise PushRefused(f"The request is larger than {MAX_BODY} bytes.")
    return await form_pairs(request)


def _check_client(idp: Idp, request: Request, client: Client) -> None:
    if not idp.tenant.settings.pushed_authorization_requests_supported:
        refusal = PushRefused(OFF, why="tenant.pushed_authorization_requests_supported of the tenant file is not true.")
        refusal.guess = "par_off"
        raise refusal
    if client.auth_method == "none":
        raise ClientAuthenticationFailed(why="Auth0 accepts pushed requests of confidential applications only.")
    if client.strict:
        raise PushRefused("Pushed authorization requests are not available to third-party applications.")
    if "dpop" in request.headers:
        raise DpopUnavailable


def _kept(parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters of the sign-in, without the credentials of the client. Others are ignored."""
    for name in ("request", "request_uri"):
        if name in parameters:
            raise InvalidRequest(f"Parameter not allowed: {name}", guess="par_refused")
    if sum(name.startswith("ext-") for name in parameters) > MAX_OWN:
        raise PushRefused(f"At most {MAX_OWN} parameters can begin with ext-.")
    kept = KEPT - CLIENT
    return {name: value for name, value in parameters.items() if name in kept or name.startswith("ext-")}


def _check_request(idp: Idp, issuer: str, parameters: Mapping[str, str], resources: Sequence[str]) -> None:
    """The checks of /authorize, before the person comes (RFC 9126 section 2.1). PushRefused if one fails."""
    try:
        read_request(idp, read_recipient(idp, parameters, issuer), parameters, resources)
    except AuthorizationError as error:
        raise PushRefused(error.description, why=error.why, error=error.error) from error
