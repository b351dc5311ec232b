"""Reading a request to /authorize (OpenID Connect Core section 3.1.2.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...errors import AuthorizationError, PageError
from ...explanations import Case
from ...formats.origins import origin_of
from ...state.idp import Idp
from ...state.store import AuthorizationRequest
from ...tenant.model import RESPONSE_TYPES, Client
from ..audience import requested_audience
from ..clients.metadata_documents import is_metadata_url
from ..organizations import placeholder_name, requested_organization
from ..scopes import split_scope
from .callback import checked_callback
from .connections import requested_connection

REPEATABLE = frozenset({"resource"})
RESPONSE_MODES = ("query", "fragment", "form_post", "web_message")
# A real tenant accepts these types from a client with the grant type `implicit`.
IMPLICIT_TYPES = frozenset(frozenset(text.split()) for text in RESPONSE_TYPES) - {frozenset({"code"})}
CHALLENGE_METHODS = ("S256", "plain")
# RFC 7636 section 4.2.
CODE_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")
PROMPTS = frozenset({"none", "login", "consent", "select_account", "create"})
STRICT_PARAMETERS = frozenset(
    {
        *("acr_values", "audience", "authorization_details", "client_id", "code_challenge", "code_challenge_method"),
        *("connection", "correlation_id", "display", "dpop_jkt", "login_hint", "max_age", "nonce", "prompt"),
        *("organization", "redirect_uri", "resource", "response_type", "scope", "state", "ui_locales"),
    }
)


def find_client(idp: Idp, client_id: str) -> Client:
    """The client with this id; PageError if there is none."""
    client = idp.tenant.clients.get(client_id)
    if client is not None:
        return client
    code = "unknown_registered_client" if client_id.startswith("tpc_") else "unknown_client"
    if is_metadata_url(client_id):
        code = "unknown_metadata_client"
    known = tuple(f"{client.client_id} ({client.name})" for client in idp.tenant.clients.values())
    case = Case(code, sent=client_id, clients=known)
    raise PageError("invalid_request", f"Unknown client: {client_id}", case, guess="unknown_client")


def read_recipient(idp: Idp, parameters: Mapping[str, str], issuer: str) -> AuthorizationRequest:
    """The part of a request that says where its answer goes. PageError if the client or the callback is not known."""
    client_id = parameters.get("client_id")
    if client_id is None:
        raise PageError("invalid_request", "Missing required parameter: client_id", Case("client_id_missing"))
    client = find_client(idp, client_id)
    _check_request_object(client, parameters)
    redirect_uri = parameters.get("redirect_uri")
    mode = parameters.get("response_mode", "query")
    organization = placeholder_name(idp.tenant, client, parameters.get("organization"))
    callback = checked_callback(client, redirect_uri, idp.behaviours, organization)
    if mode == "web_message":
        _check_web_origin(client, callback)
    return AuthorizationRequest(
        client_id=client_id,
        issuer=issuer,
        redirect_uri=callback,
        redirect_uri_sent=redirect_uri is not None,
        response_mode=mode if mode in RESPONSE_MODES else "query",
        state=parameters.get("state"),
    )


def read_request(
    idp: Idp, recipient: AuthorizationRequest, parameters: Mapping[str, str], resources: Sequence[str]
) -> AuthorizationRequest:
    """The whole request; AuthorizationError if it must be refused."""
    client = idp.tenant.clients[recipient.client_id]
    _check_response_type(client, parameters)
    _check_response_mode(parameters)
    _check_strict(client, parameters)
    _check_dpop(parameters)
    connection = requested_connection(idp, client, parameters)
    challenge, method = _code_challenge(client, parameters)
    return replace(
        recipient,
        nonce=parameters.get("nonce"),
        scopes=split_scope(parameters.get("scope")),
        audience=requested_audience(idp.tenant, client, parameters, resources),
        code_challenge=challenge,
        code_challenge_method=method,
        prompt=_prompt(parameters.get("prompt")),
        max_age=_max_age(parameters.get("max_age")),
        login_hint=parameters.get("login_hint"),
        ui_locales=parameters.get("ui_locales"),
        organization=requested_organization(idp.tenant, client, parameters),
        connection=connection,
        query=dict(parameters),
    )


def _check_response_type(client: Client, parameters: Mapping[str, str]) -> None:
    response_type = parameters.get("response_type")
    if response_type is None:
        description = "Missing required parameter: response_type"
        raise AuthorizationError("invalid_request", description, Case("response_type_missing"))
    implicit = frozenset(response_type.split()) in IMPLICIT_TYPES and not client.strict
    if response_type != "code" and not implicit:
        raise AuthorizationError(
            "unsupported_response_type",
            f"Unsupported response type: {response_type}",
            Case("response_type_unsupported", sent=response_type),
            guess="unsupported_response_type",
        )
    if implicit and "implicit" not in client.grant_types:
        raise _grant_not_allowed(client, "implicit", "implicit_not_allowed")
    if "code" in response_type.split() and "authorization_code" not in client.grant_types:
        raise _grant_not_allowed(client, "authorization_code", "grant_type_not_allowed", guess="authorize_grant_off")
    if implicit:
        raise AuthorizationError(
            "unsupported_response_type",
            f"The offline tenant does not have the response type {response_type}, which a real tenant of Auth0 has.",
            Case("response_type_unavailable", sent=response_type),
        )


def _grant_not_allowed(client: Client, grant: str, code: str, *, guess: str | None = None) -> PageError:
    """Auth0 shows this error on a page, also to first-party clients."""
    description = f"Grant type '{grant}' not allowed for the client."
    case = Case(code, client=client.name, grant=grant, allowed=tuple(sorted(client.grant_types)))
    return PageError("unauthorized_client", description, case, status=403, guess=guess)


def _check_request_object(client: Client, parameters: Mapping[str, str]) -> None:
    """A request object (RFC 9101) or a pushed request (RFC 9126) is refused: its parameters would be ignored.

    It is refused on a page, because the callback may be one of these parameters. Strict clients may not send them.
    """
    for name in ("request", "request_uri"):
        if name in parameters and not client.strict:
            raise PageError(
                f"{name}_not_supported",
                f"The offline tenant does not read the parameter {name}.",
                Case("parameter_unavailable", parameter=name),
                guess="request_object",
            )


def _check_web_origin(client: Client, callback: str) -> None:
    """An answer to a window goes only to an origin in `web_origins` (Auth0: Configure Silent Authentication)."""
    origin = origin_of(callback)
    if origin is not None and client.allows_window(origin):
        return
    raise PageError(
        "invalid_request",
        f"The specified redirect_uri '{callback}' does not have a registered origin.",
        Case("web_origin_missing", client=client.name, sent=origin or callback, registered=client.web_origins),
    )


def _check_dpop(parameters: Mapping[str, str]) -> None:
    if "dpop_jkt" in parameters:
        description = "The offline tenant does not have DPoP, and the request has the parameter dpop_jkt."
        raise AuthorizationError("invalid_request", description, Case("parameter_unavailable", parameter="dpop_jkt"))


def _check_response_mode(parameters: Mapping[str, str]) -> None:
    mode = parameters.get("response_mode", "query")
    if mode not in RESPONSE_MODES:
        case = Case("response_mode_unsupported", sent=mode, possible=RESPONSE_MODES)
        raise _unsupported(f"Unsupported response mode: {mode}", case)


def _check_strict(client: Client, parameters: Mapping[str, str]) -> None:
    if not client.strict:
        return
    for name in parameters:
        if name not in STRICT_PARAMETERS and not name.startswith("ext-"):
            raise AuthorizationError(
                "invalid_request",
                f"Parameter not allowed: {name}",
                Case("parameter_not_allowed", client=client.name, parameter=name),
                guess="parameter_not_allowed",
            )


def _code_challenge(client: Client, parameters: Mapping[str, str]) -> tuple[str | None, str]:
    challenge = parameters.get("code_challenge")
    method = parameters.get("code_challenge_method", "plain")
    if challenge is None:
        if client.strict or "code_challenge_method" in parameters:
            raise AuthorizationError(
                "invalid_request",
                "Missing required parameter: code_challenge",
                Case("pkce_missing" if client.strict else "pkce_incomplete", client=client.name),
                guess="pkce_missing",
            )
        return None, method
    if method not in CHALLENGE_METHODS:
        case = Case("pkce_method_unsupported", sent=method, possible=CHALLENGE_METHODS)
        raise _unsupported(f"Unsupported code_challenge_method: {method}", case)
    if not CODE_CHALLENGE.fullmatch(challenge):
        description = "code_challenge must be 43 to 128 unreserved characters"
        raise _unsupported(description, Case("pkce_malformed", sent=challenge))
    return challenge, method


def _prompt(value: str | None) -> frozenset[str]:
    prompts = frozenset((value or "").split())
    unknown = prompts - PROMPTS
    if unknown or ("none" in prompts and len(prompts) > 1):
        raise _unsupported(f"Unsupported prompt: {value}", _malformed("prompt", value))
    return prompts


def _max_age(value: str | None) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", value):
        raise _unsupported("max_age must be a number of seconds", _malformed("max_age", value))
    return int(value)


def _malformed(parameter: str, value: str | None) -> Case:
    return Case("parameter_malformed", parameter=parameter, sent=value or "")


def _unsupported(description: str, case: Case) -> AuthorizationError:
    return AuthorizationError("invalid_request", description, case, guess="unsupported_parameter_value")
