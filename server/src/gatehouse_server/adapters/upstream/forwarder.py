"""Passes requests that the gate has allowed to the upstream, and its answers back.

Every byte of the body that the gate has read is what the upstream gets. Sources: RFC 9110 section 7.6 (intermediaries),
MCP streamable HTTP (all revisions).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
from mcp.server.auth.provider import AccessToken
from mcp_types import INTERNAL_ERROR
from starlette.types import Receive, Scope, Send

from ...auth import strict_json
from ...auth.permissions import Hierarchy
from ...auth.request import Operation, current_operation
from ...auth.verify.profiles import Profile
from .answers import RequestId, error_answer
from .catalogue import UpstreamCatalogue
from .checks import SESSION_STATE, id_of
from .headers import SESSION, to_caller, to_upstream
from .identity import Identity
from .lists import LIST_METHODS, MAX_LIST_BYTES, BadAnswer, Visible, filtered_events, filtered_message, stated_in
from .sessions import Sessions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class UpstreamLimits:
    """Limits of the requests to the upstream."""

    connect_seconds: float = 5.0
    answer_seconds: float = 300.0
    """The longest silence of the upstream: before its answer, and within the answer to a POST."""
    requests_of_one_subject: int = 64
    """How many requests and streams of one subject are open at the same time."""


class Unavailable(Exception):
    """The upstream gives no answer that can be passed on.

    Attributes:
        status: the status of the gate's own answer.
    """

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class Forwarder:
    """The ASGI app behind the gate, for an upstream that speaks MCP over streamable HTTP.

    Args:
        url: the upstream's MCP endpoint.
        transport: sends the requests. It must not follow redirects, keep cookies or repeat requests.
        trusts_meta: a list also shows what states its permissions in `_meta`.
    """

    def __init__(
        self,
        url: str,
        transport: httpx2.AsyncBaseTransport,
        *,
        catalogue: UpstreamCatalogue,
        sessions: Sessions,
        identity: Identity,
        hierarchy: Hierarchy,
        profile: Profile,
        trusts_meta: bool = False,
        limits: UpstreamLimits | None = None,
    ) -> None:
        self._url = httpx2.URL(url)
        self._transport = transport
        self._catalogue = catalogue
        self._sessions = sessions
        self._identity = identity
        self._hierarchy = hierarchy
        self._profile = profile
        self._trusts_meta = trusts_meta
        self._limits = limits or UpstreamLimits()
        self._running: Counter[str] = Counter()
        silent = self._limits.answer_seconds
        times = {"connect": self._limits.connect_seconds, "write": silent, "pool": self._limits.connect_seconds}
        self._bounded: dict[str, Any] = {"timeout": {**times, "read": silent}}
        self._endless: dict[str, Any] = {"timeout": {**times, "read": None}}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on. `scope["user"]` is its caller."""
        token: AccessToken = scope["user"].access_token
        subject = token.subject or ""
        if self._running[subject] >= self._limits.requests_of_one_subject:
            problem = "Too many requests and streams of this user are open."
            await error_answer(429, INTERNAL_ERROR, problem, headers={"Retry-After": "1"})(scope, receive, send)
            return
        self._running[subject] += 1
        try:
            await self._exchange(scope, receive, send, token)
        finally:
            self._running[subject] -= 1
            if not self._running[subject]:
                del self._running[subject]

    async def is_answering(self) -> bool:
        """Whether the upstream answers an HTTP request at all, with anything but an error of its own."""
        body = b'{"jsonrpc":"2.0","id":"gatehouse-ready","method":"ping"}'
        headers = [(b"accept", b"application/json, text/event-stream"), (b"mcp-protocol-version", b"2025-11-25")]
        request = self._request("POST", [*to_upstream(headers), *self._identity.headers(None)], body)
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                response = await self._transport.handle_async_request(request)
                await response.aclose()
        except (httpx2.TransportError, TimeoutError) as error:
            logger.warning("the upstream does not answer: %s", error or type(error).__name__)
            return False
        return response.status_code < 500

    async def _exchange(self, scope: Scope, receive: Receive, send: Send, token: AccessToken) -> None:
        operation = current_operation.get()
        body = (await receive()).get("body", b"") if scope["method"] == "POST" else b""
        headers = [*to_upstream(scope["headers"]), *self._identity.headers(token)]
        if SESSION_STATE in scope:
            headers.append((SESSION, scope[SESSION_STATE].encode("ascii")))
        answer = _Answer(send)
        try:
            async with (
                _while_connected(receive, answer),
                self._opened(self._request(scope["method"], headers, body)) as response,
            ):
                await self._pass_back(response, operation, token, answer)
        except Unavailable as error:
            if answer.is_started:
                # The server ends the connection: the client sees that the answer is not complete.
                logger.warning("the upstream's answer ended early: %s", error)
                return
            await error_answer(error.status, INTERNAL_ERROR, str(error), _request_id(body))(scope, receive, send)

    def _request(self, method: str, headers: list[tuple[bytes, bytes]], body: bytes) -> httpx2.Request:
        extensions = self._endless if method == "GET" else self._bounded
        content = body if method == "POST" else None
        return httpx2.Request(method, self._url, headers=headers, content=content, extensions=extensions)

    @contextlib.asynccontextmanager
    async def _opened(self, request: httpx2.Request) -> AsyncIterator[httpx2.Response]:
        """The upstream's answer, of which only the head has arrived.

        Raises:
            Unavailable: there is none, or its body ends early.
        """
        try:
            response = await self._transport.handle_async_request(request)
            try:
                yield response
            finally:
                await response.aclose()
        except httpx2.PoolTimeout as error:
            raise Unavailable(503, "The gate has too many open requests: try again later.") from error
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            logger.warning("the upstream cannot be reached: %s", error or type(error).__name__)
            raise Unavailable(502, "The server behind the gate cannot be reached.") from error
        except httpx2.TimeoutException as error:
            raise Unavailable(504, "The server behind the gate did not answer in time.") from error
        except httpx2.TransportError as error:
            logger.warning("the upstream's connection failed: %s", error or type(error).__name__)
            raise Unavailable(502, "The server behind the gate did not answer completely.") from error

    async def _pass_back(
        self, response: httpx2.Response, operation: Operation, token: AccessToken, answer: _Answer
    ) -> None:
        status, kind = _checked(response, operation)
        headers = to_caller(response.headers.raw)
        session = response.headers.get("mcp-session-id")
        if session is not None:
            headers.append((SESSION, self._sealed(session, token)))
        stream = response.stream
        assert isinstance(stream, AsyncIterable)
        if kind == "":
            await answer.send(status, headers, b"")
            return
        headers.append((b"content-type", kind.encode("ascii")))
        is_filtered = operation.method in LIST_METHODS or operation.method == "GET"
        try:
            if is_filtered and kind == _JSON:
                whole = filtered_message(await _whole(stream), self._visible(token))
                await answer.send(status, headers, whole)
            elif is_filtered:
                async with contextlib.aclosing(filtered_events(stream, self._visible(token))) as events:
                    await answer.stream(status, headers, events, None)
            else:
                length = response.headers.get("content-length", "")
                await answer.stream(status, headers, stream, int(length) if length.isdecimal() else None)
        except BadAnswer as error:
            logger.warning("the upstream's answer to %s is wrong: %s", operation.method, error)
            raise Unavailable(502, f"The answer of the server behind the gate is wrong: {error}.") from error

    def _sealed(self, session: str, token: AccessToken) -> bytes:
        try:
            return self._sessions.sealed(session, (token.subject or "", token.client_id)).encode("ascii")
        except ValueError as error:
            raise Unavailable(502, "The server behind the gate answered with a wrong session id.") from error

    def _visible(self, token: AccessToken) -> Visible:
        """What this caller has the permissions for, or could get them."""
        acquirable = self._profile.acquirable(token.claims or {})
        reachable = None if acquirable is None else self._hierarchy.expand(acquirable) | frozenset(token.scopes)

        def visible(target: tuple[Any, str], entry: dict[str, Any]) -> frozenset[str] | None:
            needed = self._catalogue.declared_by(target)
            own = stated_in(entry.get("_meta")) if self._trusts_meta else None
            if own is not None:
                needed = own | (needed or frozenset())
            return needed if needed is not None and (reachable is None or needed <= reachable) else None

        return visible


_JSON, _EVENTS = "application/json", "text/event-stream"


def _checked(response: httpx2.Response, operation: Operation) -> tuple[int, str]:
    """Status and content type of the answer; the type is empty for an answer without a body.

    Raises:
        Unavailable: the answer must not be passed on.
    """
    status = response.status_code
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if 300 <= status < 400:
        logger.warning("the upstream answered with a redirect (%d): set UPSTREAM_URL to its final URL", status)
        raise Unavailable(502, "The server behind the gate answered with a redirect, which is not followed.")
    if status in (401, 407):
        logger.warning("the upstream does not accept the gate (%d): see UPSTREAM_IDENTITY", status)
        raise Unavailable(502, "The server behind the gate does not accept the gate's requests.")
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise Unavailable(502, "The server behind the gate answered with compressed text, which was not asked for.")
    is_empty = response.headers.get("content-length") == "0"
    if status in (202, 204) or (status == 200 and (is_empty or operation.method == "DELETE")):
        return status, ""
    if kind == _JSON or (kind == _EVENTS and status == 200):
        return status, kind
    if 400 <= status < 500:
        raise Unavailable(status, f"The server behind the gate refused the request ({status}).")
    raise Unavailable(502, f"The server behind the gate did not answer with MCP (status {status}).")


async def _whole(stream: AsyncIterable[bytes]) -> bytes:
    whole = bytearray()
    async for chunk in stream:
        whole += chunk
        if len(whole) > MAX_LIST_BYTES:
            raise BadAnswer("it is too long")
    return bytes(whole)


def _request_id(body: bytes) -> RequestId:
    return id_of(strict_json.parse(body)) if body else None


class _Answer:
    """The answer to the client. Knows whether it has begun and whether it is complete."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_started = False
        self.is_complete = False

    async def send(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """The whole answer."""
        self.is_started = True
        length = (b"content-length", str(len(body)).encode("ascii"))
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": headers if status == 204 else [*headers, length],
            }
        )
        await self._last(body)

    async def stream(
        self, status: int, headers: list[tuple[bytes, bytes]], chunks: AsyncIterable[bytes], length: int | None
    ) -> None:
        """The answer as it arrives.

        Args:
            length: of the body in bytes, if it is known.
        """
        self.is_started = True
        if length is not None:
            headers = [*headers, (b"content-length", str(length).encode("ascii"))]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        sent = 0
        async for chunk in chunks:
            sent += len(chunk)
            if sent == length:
                await self._last(chunk)
            else:
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        if not self.is_complete:
            await self._last(b"")

    async def _last(self, chunk: bytes) -> None:
        self.is_complete = True  # before the server reports the end of the request as a disconnect
        await self._send({"type": "http.response.body", "body": chunk, "more_body": False})


@contextlib.asynccontextmanager
async def _while_connected(receive: Receive, answer: _Answer) -> AsyncIterator[None]:
    """End the block when the client closes the connection: that cancels the request at the upstream also."""
    task = asyncio.current_task()
    assert task is not None
    is_gone = False

    async def watch() -> None:
        nonlocal is_gone
        while (await receive())["type"] != "http.disconnect":
            pass
        if not answer.is_complete:
            is_gone = True
            task.cancel()

    watcher = asyncio.ensure_future(watch())
    try:
        yield
    except asyncio.CancelledError:
        # If the server also cancels the request, that must be seen.
        if not is_gone or task.uncancel() > 0:
            raise
    finally:
        watcher.cancel()
