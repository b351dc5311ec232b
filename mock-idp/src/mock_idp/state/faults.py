"""Faults for tests: the tenant answers wrongly, late, or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..formats.parsing import parse_json

Action = Literal["hang", "drop", "malformed", "empty"]
# A hanging request ends after this many seconds, so that no test run hangs with it.
HANG_LIMIT = 300
MAX_BODY = 64 * 1024
ENDPOINTS: Mapping[str, frozenset[str]] = {
    "discovery": frozenset({"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"}),
    "jwks": frozenset({"/.well-known/jwks.json"}),
    "authorize": frozenset({"/authorize"}),
    "token": frozenset({"/oauth/token"}),
    "revoke": frozenset({"/oauth/revoke"}),
    "device_code": frozenset({"/oauth/device/code"}),
    "register": frozenset({"/oidc/register"}),
    "userinfo": frozenset({"/userinfo"}),
    "login": frozenset({"/u/login"}),
    "consent": frozenset({"/u/consent"}),
    "management": frozenset(),  # all paths under MANAGEMENT
}
MANAGEMENT = "/api/v2/"


@dataclass
class Fault:
    """One fault. It applies to matching requests: after the first `skip`, to each `every`-th, at most `times`.

    `status`, `headers` and `body` replace the answer. `patch` changes members of a JSON answer; null removes one.
    `delay` is in seconds and comes first.
    """

    endpoint: str | None = None
    path: str | None = None
    method: str | None = None
    parameter: Mapping[str, str] = field(default_factory=dict)
    times: int | None = 1
    skip: int = 0
    every: int = 1
    delay: float = 0.0
    action: Action | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    patch: Mapping[str, Any] | None = None
    seen: int = 0
    done: int = 0

    @property
    def is_over(self) -> bool:
        return self.times is not None and self.done >= self.times

    def matches(self, scope: Scope) -> bool:
        if self.endpoint is not None and not self._is_of_endpoint(scope["path"]):
            return False
        if self.path is not None and scope["path"] != self.path:
            return False
        return self.method is None or scope["method"] == self.method

    def _is_of_endpoint(self, path: str) -> bool:
        if self.endpoint == "management":
            return path.startswith(MANAGEMENT)
        return self.endpoint is not None and path in ENDPOINTS[self.endpoint]

    def is_due(self) -> bool:
        """Count a matching request. Whether the fault applies to it."""
        self.seen += 1
        due = not self.is_over and self.seen > self.skip and (self.seen - self.skip) % self.every == 0
        self.done += due
        return due


class Faults:
    """The active faults, by id."""

    def __init__(self) -> None:
        self.orders: dict[str, Fault] = {}
        self._count = 0

    def add(self, fault: Fault) -> str:
        self._count += 1
        key = f"fault-{self._count}"
        self.orders[key] = fault
        return key

    def clear(self) -> None:
        self.orders.clear()

    def due(self, scope: Scope, parameters: Mapping[str, str]) -> Fault | None:
        """The first fault that applies to this request."""
        for fault in self.orders.values():
            wanted = all(parameters.get(name) == value for name, value in fault.parameter.items())
            if fault.matches(scope) and wanted and fault.is_due():
                return fault
        return None

    def reads_parameters(self, scope: Scope) -> bool:
        return any(fault.parameter and fault.matches(scope) for fault in self.orders.values())


class FaultInjector:
    """Middleware that applies the faults."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self.app = app
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/__mock__"):
            await self.app(scope, receive, send)
            return
        parameters: dict[str, str] = {}
        if self.faults.reads_parameters(scope):
            receive, parameters = await _parameters(scope, receive)
        fault = self.faults.due(scope, parameters)
        if fault is None:
            await self.app(scope, receive, send)
            return
        await anyio.sleep(fault.delay)
        await self._apply(fault, scope, receive, send)

    async def _apply(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.action == "hang":
            await _hang(receive)
        elif fault.action == "drop":
            await _drop(send)
        elif fault.status is not None:
            await _answer(fault)(scope, receive, send)
        else:
            await self.app(scope, receive, _ChangedAnswer(fault, send))


class _ChangedAnswer:
    """Waits for the complete answer of the application and sends it changed."""

    def __init__(self, fault: Fault, send: Send) -> None:
        self.fault = fault
        self.send = send
        self.start: Message = {}
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        self.body += message.get("body", b"")
        if message.get("more_body", False):
            return
        body = _changed(self.fault, self.body)
        headers = MutableHeaders(raw=list(self.start.get("headers", [])))
        headers["content-length"] = str(len(body))
        headers.update(dict(self.fault.headers))
        await self.send({**self.start, "headers": headers.raw})
        await self.send({"type": "http.response.body", "body": body})


def _changed(fault: Fault, body: bytes) -> bytes:
    if fault.action == "empty":
        return b""
    if fault.action == "malformed":
        return body[: len(body) // 2] or b"{"
    if fault.patch is None:
        return body
    try:
        document = json.loads(body)
    except ValueError:
        return body
    if not isinstance(document, dict):
        return body
    patched = {**document, **fault.patch}
    return json.dumps({name: value for name, value in patched.items() if value is not None}).encode()


async def _hang(receive: Receive) -> None:
    """Send nothing until the client disconnects. Uvicorn then closes the connection."""
    with anyio.move_on_after(HANG_LIMIT):
        while (await receive())["type"] != "http.disconnect":
            pass


async def _drop(send: Send) -> None:
    """Send the start of an answer. The server then closes the connection in the middle of the body."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000000"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})


def _answer(fault: Fault) -> Response:
    text = fault.body if isinstance(fault.body, str) else json.dumps({} if fault.body is None else fault.body)
    media_type = "text/html" if isinstance(fault.body, str) else "application/json"
    return Response(text, fault.status or 200, dict(fault.headers), media_type)


async def _parameters(scope: Scope, receive: Receive) -> tuple[Receive, dict[str, str]]:
    """A `receive` that returns the body again, and the parameters in the query and the form or JSON body."""
    body, more = b"", True
    while more and len(body) <= MAX_BODY:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    replayed = False

    async def replay() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": more}

    return replay, {**dict(parse_qsl(scope["query_string"].decode("latin-1"))), **_body_parameters(scope, body)}


def _body_parameters(scope: Scope, body: bytes) -> dict[str, str]:
    if Headers(scope=scope).get("content-type", "").startswith("application/json"):
        try:
            document = parse_json(body)
        except ValueError:
            return {}
        items = document.items() if isinstance(document, dict) else ()
        return {name: value for name, value in items if isinstance(value, str)}
    return dict(parse_qsl(body.decode("latin-1")))
