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

from mcp.server.auth.middleware.bearer_auth import AuthorizationContext, authorization_context
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..auth.request import Target, current_operation
from .events import EventReader
from .host import Guard, Served
from .lists import LISTS, ListFilter
from .upstream.lists import MAX_LIST_BYTES, BadAnswer, Visible, filtered_data, filtered_message

MAX_SESSIONS = 10_000
MAX_SESSIONS_OF_A_CALLER = 100
_SESSION = b"mcp-session-id"


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

        return Served(endpoint, run, others, ("/{path:path}",), streams_any=True)


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
        reason = str(answer.get("message", "")).strip().splitlines() or ["it does not say why"]
        raise RuntimeError(f"The protected app did not start: {reason[-1]}")  # Starlette sends a whole traceback
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
            send = _Answer(send, self._lists.visible_to(scope["user"].access_token))
        await self._app(scope, receive, send)


class _Answer:
    """Passes an answer on, each list in it filtered."""

    def __init__(self, send: Send, visible: Visible) -> None:
        self._send = send
        self._visible = visible
        self._start: Message = {}
        self._body = bytearray()
        self._events: EventReader | None = None
        self._as_it_is = self._is_json = False

    async def __call__(self, message: Message) -> None:
        """Pass one message on.

        Raises:
            BadAnswer: the app's answer cannot be read.
        """
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._as_it_is or message["type"] != "http.response.body":
            await self._send(message)
        elif self._events is not None:
            await self._pass_events(message)
        else:
            await self._pass_json(message)

    async def _begin(self, message: Message) -> None:
        headers = MutableHeaders(raw=list(message.get("headers", ())))
        self._as_it_is = message["status"] != 200  # no client reads a list in such an answer
        if not self._as_it_is:
            if headers.get("content-encoding", "identity") != "identity":
                raise BadAnswer("it is compressed, although the request does not accept that")
            del headers["content-length"]
        self._start = {**message, "headers": headers.raw}
        kind = headers.get("content-type", "")
        self._is_json = kind.startswith("application/json")
        if kind.startswith("text/event-stream"):
            self._events = EventReader(MAX_LIST_BYTES)
        if self._as_it_is or self._events is not None:
            await self._send(self._start)

    async def _pass_events(self, message: Message) -> None:
        assert self._events is not None
        more = message.get("more_body", False)
        events = self._events.feed(message.get("body", b""))
        body = b"".join(event.written(filtered_data(event.data, self._visible)) for event in events)
        if body or not more:
            await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def _pass_json(self, message: Message) -> None:
        self._body += message.get("body", b"")
        if len(self._body) > MAX_LIST_BYTES:
            raise BadAnswer(f"it is longer than {MAX_LIST_BYTES} bytes")
        if not message.get("more_body", False):
            body = bytes(self._body)
            if self._is_json or _is_readable(body):
                body = filtered_message(body, self._visible)
            self._start["headers"].append((b"content-length", str(len(body)).encode()))
            await self._send(self._start)
            await self._send({"type": "http.response.body", "body": body})


def _is_readable(body: bytes) -> bool:
    """Whether a client that ignores the content type could read JSON. Python's reader is the most lenient."""
    try:
        json.loads(body)
    except ValueError:
        return False
    except RecursionError:
        return True  # for other readers it may not be too deep
    return True
