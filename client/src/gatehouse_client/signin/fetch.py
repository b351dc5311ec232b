"""The sign-in's own HTTP: bounded in time and size, without credentials of others, redirects only within an origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import anyio
import httpx2

from ..errors import SignInError, UnreachableError, foreign
from ..trace import Trace
from .urls import is_secure, origin

MAX_BODY: Final = 256 * 1024  # bytes; real metadata documents have less than 10 KiB
MAX_REDIRECTS: Final = 3
TIMEOUT: Final = 15.0  # seconds, for a whole exchange


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end."""

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


class Fetcher:
    """Requests to the tenant and to the metadata of the server.

    Args:
        trace: told of each exchange.
        transport: another way to the network, for tests.
    """

    def __init__(self, trace: Trace | None = None, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._trace = trace or Trace()
        self._transport = transport

    async def get(self, url: str) -> Reply:
        """Get a JSON document.

        Raises:
            UnreachableError: no answer, or none within `TIMEOUT`.
            SignInError: the answer is larger than `MAX_BODY`.
        """
        reply = await self._exchange("GET", url)
        for _ in range(MAX_REDIRECTS):
            target = _redirect(reply)
            if target is None:
                break
            reply = await self._exchange("GET", target)
        return reply

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        """Post a form. Never follows a redirect: the form has secrets.

        Raises:
            UnreachableError, SignInError: as `get`.
        """
        return await self._exchange("POST", url, form, headers)

    async def _exchange(
        self, method: str, url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        try:
            with anyio.fail_after(TIMEOUT):
                return await self._send(method, url, form, headers)
        except (httpx2.TimeoutException, TimeoutError) as error:
            raise UnreachableError(f"{_place(url)} did not answer within {TIMEOUT:.0f} s.") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            detail = foreign(str(error)) or type(error).__name__
            raise UnreachableError(f"{_place(url)} cannot be reached: {detail}. Is it running?") from error

    async def _send(
        self, method: str, url: str, form: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> Reply:
        async with httpx2.AsyncClient(transport=self._transport, timeout=TIMEOUT, follow_redirects=False) as client:
            accept = {"Accept": "application/json", **(headers or {})}
            request = client.build_request(method, url, data=form, headers=accept)
            self._trace.sent(request)
            response = await client.send(request, stream=True)
            try:
                body = await _bounded(response, url)
            finally:
                await response.aclose()
            reply = Reply(url, response.status_code, response.headers, body)
            self._trace.received(response, _facts(reply))
            return reply


async def _bounded(response: httpx2.Response, url: str) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_BODY:
            raise SignInError(f"{_place(url)} answered with more than {MAX_BODY // 1024} KiB; it was not read further.")
    return bytes(body)


def _redirect(reply: Reply) -> str | None:
    location = reply.headers.get("location")
    if reply.status not in (301, 302, 303, 307, 308) or not location:
        return None
    target = urljoin(reply.url, location)
    return target if is_secure(target) and origin(target) == origin(reply.url) else None


def _facts(reply: Reply) -> str:
    """What a person wants to see of an answer, and may."""
    shown = ("error", "error_description", "token_type", "scope", "expires_in", "resource", "issuer")
    document = reply.json() or {}
    facts = {name: document[name] for name in (*shown, "authorization_servers") if name in document}
    return json.dumps(facts, ensure_ascii=False) if facts else ""


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{foreign(parts.netloc)}"
