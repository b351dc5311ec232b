"""Dynamic Client Registration (RFC 7591; Auth0: Dynamic Client Registration)."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...errors import AccessDenied, InvalidClientMetadata, InvalidRedirectUri, OAuthError
from ...state.idp import Idp
from ...tenant.model import Client
from ...web.request import NO_STORE, idp_of, json_object
from ..answers import error_response
from .self_registered import GRANT_TYPES, add_registered, checked_redirect_uri, given, registered_text

ALPHANUMERIC = string.ascii_letters + string.digits
AUTH_METHODS = ("none", "client_secret_post", "client_secret_basic")
# Auth0's default (auth0/docs, pull request 6025).
DEFAULT_NAME = "My App"
MAX_REDIRECT_URIS = 50


async def register(request: Request) -> Response:
    """POST /oidc/register: register a third-party client without authentication, if the tenant allows registration."""
    idp = idp_of(request)
    try:
        _check_enabled(idp)
        metadata = given(await json_object(request))
        client = _client(idp, metadata)
    except OAuthError as error:
        idp.log.add("fapi", f"Dynamic client registration: {error.description}", refusal=error)
        return error_response(idp, error)
    add_registered(idp, client)
    idp.log.add("sapi", "Dynamic client registration", client=client)
    status = idp.behaviours.registration_status
    return JSONResponse(_answer(client), status_code=status, headers=NO_STORE)


def _check_enabled(idp: Idp) -> None:
    if idp.tenant.settings.enable_dynamic_client_registration:
        return
    raise AccessDenied(
        "Dynamic client registration is not enabled for this tenant",
        guess="registration_off",
        why="flags.enable_dynamic_client_registration is off, as in every new tenant. Discovery still lists the "
        "endpoint.",
    )


def _client(idp: Idp, metadata: Mapping[str, Any]) -> Client:
    method = metadata.get("token_endpoint_auth_method", "client_secret_post")
    if method not in AUTH_METHODS:
        raise InvalidClientMetadata(f"token_endpoint_auth_method must be one of {', '.join(AUTH_METHODS)}")
    strict = idp.tenant.settings.dynamic_client_registration_security_mode == "strict"
    public = method == "none"
    return Client(
        client_id=("tpc_" if strict else "") + _random(32),
        name=registered_text("client_name", metadata.get("client_name", DEFAULT_NAME)),
        secret="" if public else _random(64),
        app_type="native" if public else "regular_web",
        strict=strict,
        callbacks=_redirect_uris(metadata),
        grant_types=_grant_types(metadata),
        auth_method=method,
        registration="dcr",
    )


def _redirect_uris(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    uris = metadata.get("redirect_uris")
    if not isinstance(uris, list) or not 0 < len(uris) <= MAX_REDIRECT_URIS:
        raise InvalidRedirectUri(f"redirect_uris must be a list of 1 to {MAX_REDIRECT_URIS} URIs")
    return tuple(checked_redirect_uri(uri) for uri in uris)


def _grant_types(metadata: Mapping[str, Any]) -> frozenset[str]:
    """The requested grant types, without those that such a client cannot have."""
    requested = metadata.get("grant_types", list(GRANT_TYPES))
    if not isinstance(requested, list) or not all(isinstance(grant, str) for grant in requested):
        raise InvalidClientMetadata("grant_types must be a list of texts")
    allowed = frozenset(requested) & frozenset(GRANT_TYPES)
    if not allowed:
        raise InvalidClientMetadata(f"grant_types must contain one of {', '.join(GRANT_TYPES)}")
    return allowed


def _answer(client: Client) -> dict[str, Any]:
    answer: dict[str, Any] = {"client_name": client.name, "client_id": client.client_id}
    if client.auth_method != "none":
        answer["client_secret"] = client.secret
    return {
        **answer,
        "redirect_uris": list(client.callbacks),
        "client_secret_expires_at": 0,
        "grant_types": [grant for grant in GRANT_TYPES if grant in client.grant_types],
        "token_endpoint_auth_method": client.auth_method,
    }


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHANUMERIC) for _ in range(length))
