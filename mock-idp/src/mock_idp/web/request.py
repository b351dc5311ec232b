"""The tenant, the issuer, the sender and the parameters of a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import MalformedRequest, RepeatedParameter
from ..explanations import Case
from ..formats.parsing import parse_json
from ..formats.urls import is_loopback_name
from ..http.middleware import host_name
from ..state.idp import Idp
from ..tenant.model import Client

ISSUER = "mock_idp.issuer"
CLIENT = "mock_idp.client"
MAX_BODY = 64 * 1024
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
NOT_AN_OBJECT = "The body must be a JSON object"
FORM = "application/x-www-form-urlencoded"
# Headers that only proxies add, as are X-Forwarded-*. With any of them the sender may be on another machine.
FORWARDED = frozenset(
    {
        *("forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-host", "x-original-url"),
        *("cf-connecting-ip", "true-client-ip", "fastly-client-ip", "fly-client-ip", "x-envoy-external-address"),
    }
)


class Issuer:
    """Adds the issuer to the scope of each request."""

    def __init__(self, app: ASGIApp, issuer: str) -> None:
        self.app = app
        self.issuer = issuer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ISSUER] = self.issuer
        await self.app(scope, receive, send)


def idp_of(request: Request) -> Idp:
    return cast(Idp, request.app.state.idp)


def issuer_of(request: Request) -> str:
    return cast(str, request.scope[ISSUER])


def note_client(request: Request, client: Client) -> None:
    """Note which client a request names, whether or not it can prove to be it."""
    request.scope[CLIENT] = client


def client_of(scope: Scope) -> Client | None:
    """The client that the request names, once its endpoint has noted it."""
    return cast(Client | None, scope.get(CLIENT))


def is_from_this_machine(request: Request) -> bool:
    """Whether the sender is on this machine: the connection and the Host are local, and no proxy added its mark."""
    if request.client is None or not is_loopback_name(request.client.host):
        return False
    if any(name in FORWARDED or name.startswith("x-forwarded-") for name in request.headers):
        return False
    # A proxy on this machine may add no mark, but it keeps the public name.
    return is_loopback_name(host_name(request.headers.get("host", "")))


def sender_ip(request: Request) -> str:
    """The IP address at the other end of the connection."""
    return request.client.host if request.client else ""


def single_values(pairs: Iterable[tuple[str, str]], *, repeatable: frozenset[str] = frozenset()) -> dict[str, str]:
    """Parameters by name, without empty ones. Raises RepeatedParameter (RFC 6749 section 3.1)."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if value == "" or name in repeatable:
            continue
        if name in values:
            raise RepeatedParameter(name)
        values[name] = value
    return values


async def form_pairs(request: Request) -> list[tuple[str, str]]:
    """The fields of a form body, in order. Raises MalformedRequest if the body is no form."""
    body = await request.body()
    try:
        return QueryParams(body.decode("ascii")).multi_items()
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"The body is not {FORM}", case=Case("form_malformed")) from error


async def body_pairs(request: Request) -> list[tuple[str, str]]:
    """The parameters of a form or JSON body, in order. Auth0 accepts both. Raises MalformedRequest."""
    if media_type(request) == "application/json":
        return _text_pairs(await json_object(request))
    return await form_pairs(request)


async def body_values(request: Request) -> dict[str, str]:
    """The parameters of a form or JSON body by name. Raises MalformedRequest or RepeatedParameter."""
    return single_values(await body_pairs(request))


async def json_object(request: Request) -> dict[str, Any]:
    try:
        document = parse_json(await request.body())
    except ValueError as error:
        raise MalformedRequest(NOT_AN_OBJECT) from error
    if not isinstance(document, dict):
        raise MalformedRequest(NOT_AN_OBJECT)
    return document


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _text_pairs(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in document.items():
        if value is None:
            continue
        if not isinstance(value, str):
            raise MalformedRequest(f"Parameter must be a string: {name}")
        pairs.append((name, value))
    return pairs
