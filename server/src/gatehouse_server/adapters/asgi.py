"""The adapter for any ASGI app that speaks MCP over streamable HTTP.

The gate cannot look into such an app. The permissions come from a table, lists are filtered in the app's answers, and
a session (`Mcp-Session-Id`) only works for the caller that opened it.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthorizationContext, authorization_context
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..auth import strict_json
from ..auth.request import Target, current_operation
from .events import Event, EventReader
from .host import Guard, Served
from .lists import LISTS, ListFilter

MAX_SESSIONS = 10_000
MAX_SESSIONS_OF_A_CALLER = 100
MAX_LIST_BYTES = 16 * 1024 * 1024
"""A longer list, or a longer event of a stream with lists, is not passed on."""

_SESSION = b"mcp-session-id"
_MEMBERS = {member: method for method, (member, _, _) in LISTS.items()}


class AsgiAdapter:
    """The app behind the gate. What it offers is not known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def stated_by(self, targets: Sequence[Target], version: str = "") -> list[frozenset[str] | None]:
        """None for each target."""
        return [None] * len(targets)

    async def entries(self) -> AsyncIterator[tuple[Target, frozenset[str]]]:
        """Nothing."""
        nothing: tuple[tuple[Target, frozenset[str]], ...] = ()
        for entry in nothing:
            yield entry

    def serve(self, guard: Guard) -> Served:
        """The app behind the gate: the MCP endpoint, and all its other paths."""
        endpoint = _KnownHosts(_OwnSessions(_FilteredLists(self._app, guard.lists)), guard.security, mcp=True)
        others = _KnownHosts(self._app, guard.security, mcp=False)

        @asynccontextmanager
        async def run() -> AsyncIterator[None]:
            async with lifespan_of(self._app):
                yield

        return Served(endpoint, run, others, ("/{path:path}",))


@asynccontextmanager
async def lifespan_of(app: ASGIApp) -> AsyncIterator[None]:
    """Run the app's lifespan, if it has one (ASGI lifespan protocol 2.0).

    Raises:
        RuntimeError: the app did not start.
    """
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    started: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        if not started.done():
            started.set_result(message)

    async def run() -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await app(scope, incoming.get, send)
        finally:
            if not started.done():
                started.set_result(None)

    running = asyncio.create_task(run())
    await incoming.put({"type": "lifespan.startup"})
    answer = await started
    if answer is not None and answer["type"] == "lifespan.startup.failed":
        await asyncio.gather(running, return_exceptions=True)
        raise RuntimeError(f"The protected app did not start: {answer.get('message', '')}")
    try:
        yield
    finally:
        await incoming.put({"type": "lifespan.shutdown"})
        # An app without a lifespan ends at once, with an error of any kind.
        await asyncio.gather(running, return_exceptions=True)


class _KnownHosts:
    """Refuses other Host and Origin headers, and other content types at the MCP endpoint."""

    def __init__(self, app: ASGIApp, security: TransportSecuritySettings, *, mcp: bool) -> None:
        self._app = app
        self._security = TransportSecurityMiddleware(security)
        self._mcp = mcp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_post = self._mcp and scope["method"] == "POST"
        refusal = await self._security.validate_request(Request(scope), is_post=is_post)
        await (refusal or self._app)(scope, receive, send)


class _OwnSessions:
    """Answers 404 for a session that the caller did not open, as if it did not exist."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._owners: OrderedDict[bytes, AuthorizationContext] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = authorization_context(scope["user"])
        named = [value for name, value in scope["headers"] if name == _SESSION]
        if len(named) > 1 or any(self._owners.get(session) != caller for session in named):
            error = {"code": -32600, "message": "Session not found"}
            await JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 404)(scope, receive, send)
            return
        for session in named:
            self._owners.move_to_end(session)

        async def remember(message: Message) -> None:
            if message["type"] == "http.response.start":
                if scope["method"] == "DELETE" and message["status"] < 300:
                    for session in named:
                        self._owners.pop(session, None)
                for name, value in message.get("headers", ()):
                    if name.lower() == _SESSION:
                        self._add(value, caller)
            await send(message)

        await self._app(scope, receive, remember)

    def _add(self, session: bytes, caller: AuthorizationContext) -> None:
        # The app must never hand out a session twice. If it does, the session stays with its first owner.
        if self._owners.setdefault(session, caller) != caller:
            return
        own = [each for each, owner in self._owners.items() if owner == caller]
        if len(own) > MAX_SESSIONS_OF_A_CALLER:
            del self._owners[own[0]]
        if len(self._owners) > MAX_SESSIONS:
            self._owners.popitem(last=False)


class _FilteredLists:
    """Filters the lists in the app's answers: in plain JSON, and in event streams."""

    def __init__(self, app: ASGIApp, lists: ListFilter) -> None:
        self._app = app
        self._lists = lists

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A GET stream can repeat earlier messages (Last-Event-ID), lists among them.
        if current_operation.get().method in LISTS or scope["method"] == "GET":
            headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            scope = {**scope, "headers": headers}
            send = _Answer(send, self._lists, scope["user"].access_token)
        await self._app(scope, receive, send)


class _Answer:
    """Passes an answer on, each list in it filtered."""

    def __init__(self, send: Send, lists: ListFilter, token: AccessToken) -> None:
        self._send = send
        self._lists = lists
        self._token = token
        self._start: Message = {}
        self._is_stream = self._is_json = False
        self._waiting = bytearray()
        self._reader = EventReader(MAX_LIST_BYTES)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = dict(message)
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            if headers.get("content-encoding", "identity") != "identity":
                raise ValueError("the app compresses an answer with a list, although the request does not accept that")
            del headers["content-length"]
            self._start["headers"] = headers.raw
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            self._is_stream, self._is_json = kind == "text/event-stream", kind == "application/json"
            if self._is_stream:
                await self._send(self._start)
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._is_stream:
            events = [await self._event(event) for event in self._reader.feed(body)]
            if events or not more:
                await self._send({"type": "http.response.body", "body": b"".join(events), "more_body": more})
            return
        self._waiting += body
        if len(self._waiting) > MAX_LIST_BYTES:
            raise ValueError(f"the app's answer with a list is longer than {MAX_LIST_BYTES} bytes")
        if not more:
            # A client reads a list only in an answer of these two types.
            filtered = await self._filtered(bytes(self._waiting)) if self._is_json else bytes(self._waiting)
            self._start["headers"].append((b"content-length", str(len(filtered)).encode()))
            await self._send(self._start)
            await self._send({"type": "http.response.body", "body": filtered})

    async def _event(self, event: Event) -> bytes:
        """The event with its data filtered, in the one form that every client reads in the same way."""
        return event.written((await self._filtered(event.data.encode())).decode() if event.data else event.data)

    async def _filtered(self, raw: bytes) -> bytes:
        if not raw:
            return raw
        try:
            message = strict_json.parse(raw)
        except strict_json.Ambiguous as error:
            raise ValueError(f"the app's answer is not JSON that can be read in one way only: {error}") from error
        if not isinstance(message, dict):
            raise ValueError("the app's answer is not one JSON-RPC message")
        result = message.get("result")
        if not isinstance(result, dict) or _MEMBERS.keys().isdisjoint(result):
            return raw
        for member, method in _MEMBERS.items():
            if isinstance(result.get(member), list):
                result = await self._lists.filtered(method, _only_named(result, method), self._token)
        return json.dumps({**message, "result": result}, separators=(",", ":")).encode()


def _only_named(result: dict[str, Any], method: str) -> dict[str, Any]:
    """The result without entries that have no name."""
    member, _, name = LISTS[method]
    kept = [each for each in result[member] if isinstance(each, dict) and isinstance(each.get(name), str)]
    return {**result, member: kept}
