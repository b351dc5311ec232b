"""Client authentication at the token endpoint (RFC 6749 section 2.3)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_plus

from starlette.requests import Request

from ...errors import ClientAuthenticationFailed, MalformedRequest, MissingParameter
from ...state.idp import Idp
from ...tenant.model import Client
from ...web.request import issuer_of, note_client
from .assertion import check_assertion, client_in_assertion


class Credentials(NamedTuple):
    """The credentials in a request. `secret` is the client secret or the assertion, depending on the method."""

    method: str
    client_id: str
    secret: str = ""


def authenticate(idp: Idp, request: Request, parameters: Mapping[str, str]) -> Client:
    """The client that sent the request; ClientAuthenticationFailed if its credentials are wrong."""
    credentials = _credentials(request.headers.get("authorization"), parameters)
    client = idp.tenant.clients.get(credentials.client_id)
    if client is None:
        raise ClientAuthenticationFailed(why=f"There is no client with the id {credentials.client_id!r}.")
    note_client(request, client)
    _check_method(idp, client, credentials.method)
    if credentials.method == "private_key_jwt":
        check_assertion(idp, client, credentials.secret, issuer_of(request))
    elif credentials.method != "none" and not client.secret_matches(credentials.secret):
        raise ClientAuthenticationFailed(why=f"The secret is not that of the client {client.name!r}.")
    return client


def _credentials(authorization: str | None, parameters: Mapping[str, str]) -> Credentials:
    client_id, secret = parameters.get("client_id"), parameters.get("client_secret")
    if "client_assertion" in parameters:
        return _from_assertion(parameters, alone=authorization is None and secret is None)
    if authorization is not None and authorization[:6].lower() == "basic ":
        basic = _from_basic(authorization[6:])
        if secret is not None:
            raise MalformedRequest("Client credentials were sent in the header and in the body")
        if client_id not in (None, basic.client_id):
            raise MalformedRequest("client_id differs between the header and the body")
        return basic
    if client_id is None:
        raise MissingParameter("client_id")
    return Credentials("none", client_id) if secret is None else Credentials("client_secret_post", client_id, secret)


def _from_assertion(parameters: Mapping[str, str], *, alone: bool) -> Credentials:
    if not alone:
        raise MalformedRequest("More than one way of client authentication was used")
    assertion = parameters["client_assertion"]
    client_id = client_in_assertion(assertion, parameters.get("client_assertion_type"))
    if parameters.get("client_id") not in (None, client_id):
        raise MalformedRequest("client_id differs from that of the client assertion")
    return Credentials("private_key_jwt", client_id, assertion)


def _from_basic(encoded: str) -> Credentials:
    """RFC 6749 section 2.3.1: both parts are form-encoded before they are joined."""
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ClientAuthenticationFailed(why="The Authorization header is not HTTP Basic.") from error
    client_id, colon, secret = text.partition(":")
    if not colon:
        raise ClientAuthenticationFailed(why="The Authorization header is not HTTP Basic.")
    return Credentials("client_secret_basic", unquote_plus(client_id), unquote_plus(secret))


def _check_method(idp: Idp, client: Client, method: str) -> None:
    if method == client.auth_method:
        return
    lenient = idp.behaviours.any_client_secret_method
    if lenient and method.startswith("client_secret_") and client.auth_method.startswith("client_secret_"):
        return
    raise ClientAuthenticationFailed(
        why=f"The client {client.name!r} is registered for token_endpoint_auth_method {client.auth_method}; "
        f"it used {method}."
    )
