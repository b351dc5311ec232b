"""HTTP for the sign-in: limited in time and size, without stored credentials, redirects only within an origin."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import anyio
import httpx2
from pydantic import BaseModel, ValidationError

from ...errors import Party, SignInError, UnreachableError
from ...foreign_text import foreign
from .network import NetworkGuard, authorities
from .proxies import proxy_for, unreachable
from .trace import Trace
from .urls import is_secure, origin

MAX_BODY: Final = 256 * 1024  # bytes; real metadata documents have less than 10 KiB
MAX_REDIRECTS: Final = 3
TIMEOUT: Final = 15.0  # seconds, for a whole exchange

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Reply:
    """A response with its whole body."""

    url: str
    status: int
    headers: httpx2.Headers
    body: bytes

    def json(self) -> dict[str, Any] | None:
        """The body if it is a JSON object, else None."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def error(self) -> tuple[str, str]:
        """The code of an OAuth error answer, and the code with its description (RFC 6749 section 5.2)."""
        document = self.json() or {}
        code = foreign(str(document.get("error") or f"HTTP {self.status}"), 80)
        description = foreign(str(document.get("error_description") or ""))
        return code, f"{code}: {description}" if description else code

    @property
    def is_error(self) -> bool:
        """Whether the answer is an error: by its status, or by an `error` in an answer with 200."""
        return self.status != 200 or bool((self.json() or {}).get("error"))

    @property
    def is_overloaded(self) -> bool:
        """Whether the other party cannot serve now, and may later."""
        return self.status >= 500 or self.status == 429


class Fetcher:
    """Requests to the tenant and to the metadata of the server.

    Args:
        trace: records each exchange.
        transport: replaces the network in tests.
        guard: which addresses may be used; None is for tests without a network.
        ca_file: certificate authorities to trust in addition to the usual ones.
    """

    def __init__(
        self,
        trace: Trace | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        guard: NetworkGuard | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self._trace = trace or Trace()
        self._transport = transport
        self._guard = guard
        self._ca_file = ca_file

    @property
    def private_network(self) -> bool:
        """Whether servers may name private addresses."""
        return self._guard is not None and self._guard.private_network

    async def get(self, url: str, party: Party = Party.TENANT) -> Reply:
        """Get a JSON document.

        Args:
            party: who should answer, for errors.

        Raises:
            UnreachableError: there is no answer within `TIMEOUT`.
            SignInError: the answer is larger than `MAX_BODY`, or the address may not be used.
            ConfigurationError: as `proxy_for`.
        """
        reply = await self._exchange(_request("GET", url), party)
        for _ in range(MAX_REDIRECTS):
            target = _redirect(reply)
            if target is None:
                break
            reply = await self._exchange(_request("GET", target), party)
        return reply

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        """Post a form. Redirects are not followed: the form has secrets.

        Raises:
            UnreachableError, SignInError: as `get`.
        """
        return await self._exchange(_request("POST", url, data=form, headers=headers))

    async def post_json(
        self,
        url: str,
        document: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        party: Party = Party.TENANT,
    ) -> Reply:
        """Post a JSON object. Redirects are not followed.

        Args:
            party: who should answer, for errors.

        Raises:
            UnreachableError, SignInError: as `get`.
        """
        return await self._exchange(_request("POST", url, json=document, headers=headers), party)

    async def _exchange(self, request: httpx2.Request, party: Party = Party.TENANT) -> Reply:
        url = str(request.url)
        try:
            with anyio.fail_after(TIMEOUT):
                return await self._send(request, await self._guard.addresses(url) if self._guard else [])
        except UnreachableError as error:
            error.party = party
            raise
        except (httpx2.TimeoutException, TimeoutError) as error:
            raise UnreachableError(
                f"The {party} {_origin_text(url)} did not answer within {TIMEOUT:.0f} s.", party
            ) from error
        except httpx2.HTTPError as error:
            message = unreachable(url, party, _origin_text(url), error, "Is it running?")
            raise UnreachableError(message, party) from error

    async def _send(self, request: httpx2.Request, addresses: Sequence[str]) -> Reply:
        url, trusted = str(request.url), authorities(self._ca_file)
        proxy = proxy_for(url) if self._transport is None else None
        async with httpx2.AsyncClient(
            transport=self._transport,
            verify=trusted,
            proxy=proxy.settings(trusted) if proxy else None,
            trust_env=False,
            timeout=TIMEOUT,
            follow_redirects=False,
        ) as client:
            self._trace.sent(request)
            response = await _connected(client, request, addresses)
            try:
                body = await _read_body(response, url)
            finally:
                await response.aclose()
            reply = Reply(url, response.status_code, response.headers, body)
            self._trace.received(response, _public_members(reply))
            return reply


def validated(model: type[Model], document: Mapping[str, Any], problem: str) -> Model:
    """The document of another party as a model. A member that is null counts as absent.

    Args:
        problem: the beginning of the message; the names of the wrong members end it.

    Raises:
        SignInError: the document is not valid. The message has no values: they may be tokens.
    """
    try:
        return model.model_validate({name: value for name, value in document.items() if value is not None})
    except ValidationError as error:
        members = ", ".join(sorted({".".join(map(str, detail["loc"])) for detail in error.errors()}))
        raise SignInError(f"{problem} {members}.") from None


def _request(
    method: str,
    url: str,
    *,
    data: Mapping[str, str] | None = None,
    json: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx2.Request:
    accept = {"Accept": "application/json", **(headers or {})}
    try:
        return httpx2.Request(method, url, data=data, json=json, headers=accept)
    except httpx2.InvalidURL as error:
        raise UnreachableError(f"{foreign(url)} cannot be reached: {foreign(str(error))}.") from error


async def _connected(client: httpx2.AsyncClient, request: httpx2.Request, addresses: Sequence[str]) -> httpx2.Response:
    """Send `request` to the first address that accepts a connection. Without addresses, the host name is resolved."""
    for address in addresses[:-1]:
        with suppress(httpx2.ConnectError):
            return await client.send(_pinned(request, address), stream=True)
    return await client.send(_pinned(request, addresses[-1]) if addresses else request, stream=True)


def _pinned(request: httpx2.Request, address: str) -> httpx2.Request:
    """The same request to an address that was checked. TLS still verifies the host name."""
    url, extensions = request.url.copy_with(host=address), {**request.extensions, "sni_hostname": request.url.host}
    return httpx2.Request(request.method, url, headers=request.headers, content=request.content, extensions=extensions)


async def _read_body(response: httpx2.Response, url: str) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_BODY:
            raise SignInError(
                f"{_origin_text(url)} answered with more than {MAX_BODY // 1024} KiB: the answer is not used."
            )
    return bytes(body)


def _redirect(reply: Reply) -> str | None:
    location = reply.headers.get("location")
    if reply.status not in (301, 302, 303, 307, 308) or not location:
        return None
    target = urljoin(reply.url, location)
    return target if is_secure(target) and origin(target) == origin(reply.url) else None


def _public_members(reply: Reply) -> str:
    """The members of an answer that are useful in a trace and not secret."""
    shown = ("error", "error_description", "token_type", "scope", "expires_in", "resource", "issuer")
    document = reply.json() or {}
    facts = {name: document[name] for name in (*shown, "authorization_servers") if name in document}
    return json.dumps(facts, ensure_ascii=False) if facts else ""


def _origin_text(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{foreign(parts.netloc)}"
