"""What the app behind the gate gets of a request, what never reaches it, and what is recorded if it fails."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from starlette.types import Message, Receive, Scope, Send

from gatehouse_server.auth import gate
from gatehouse_server.auth.permission_table import PermissionTable
from tests.server.protected_server import ask, protected
from tests.server.token_issuer import Issuer

pytestmark = pytest.mark.anyio

OPEN = PermissionTable(tools={"look": []})
CALL = ("tools/call", {"name": "look"})


class App:
    """Notes each request. `begins` is whether it begins its answer, and `fails` whether it then fails."""

    def __init__(self, *, begins: bool = True, fails: bool = False) -> None:
        self.requests: list[Scope] = []
        self._begins, self._fails = begins, fails

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        self.requests.append(scope)
        if self._begins:
            await send({"type": "http.response.start", "status": 202})  # the headers are optional
        if self._fails:
            raise LookupError("the app is broken")
        await send({"type": "http.response.body", "body": b""})


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "gatehouse.audit"]


async def test_the_app_gets_the_verified_caller_in_its_scope(issuer: Issuer) -> None:
    app = App()
    async with protected(app, issuer.handle, permissions=OPEN) as server:
        await ask(server, issuer.token(scope="access:mcp more"), *CALL)
    (scope,) = app.requests
    assert scope["user"].is_authenticated
    assert scope["user"].access_token.subject == "auth0|alice"
    assert set(scope["auth"].scopes) == {"access:mcp", "more"}


async def test_the_app_gets_each_header_without_the_white_space_around_its_value(issuer: Issuer) -> None:
    app = App()
    given = {"Accept": "text/plain", "X-Empty": "", "X-Some": " \t a b \t ", "X-Feed": "\x0ca\x0b"}
    async with protected(app, issuer.handle, permissions=OPEN) as server:
        await ask(server, issuer.token(), *CALL, **given)
    headers = dict(app.requests[0]["headers"])
    seen = {name: headers[name.lower().encode()].decode() for name in given}
    assert seen == {**given, "X-Some": "a b"}, "only blanks and tabs are white space in HTTP"
    assert len(headers) == len(app.requests[0]["headers"])


async def test_a_web_socket_never_reaches_the_app(issuer: Issuer) -> None:
    app, sent = App(), []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {issuer.token()}".encode())]
    async with protected(app, issuer.handle, permissions=OPEN) as server:
        outermost = server._transport.app  # type: ignore[attr-defined]
        for path in ("/mcp", "/other"):
            scope = {"type": "websocket", "path": path, "headers": headers, "query_string": b"", "root_path": ""}
            await outermost(scope, receive, send)
    assert app.requests == []
    assert {message["type"] for message in sent} == {"websocket.close"}


async def test_the_refusal_of_a_tool_that_is_not_offered_names_it_shortened(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gatehouse.audit")
    app = App()
    async with protected(app, issuer.handle, permissions=OPEN) as server:
        answer = await ask(server, issuer.token(), "tools/call", {"name": "x" * 1000})
    assert (answer.status_code, app.requests) == (403, [])
    assert answer.json()["error"]["message"] == f"This server does not offer the tool {'x' * 128!r}."
    assert [line["reason"] for line in audited(caplog)] == ["not_offered"]


@pytest.mark.parametrize(("begins", "status"), [(False, 500), (True, 202)])
async def test_the_audit_line_of_a_call_whose_app_fails_has_the_status_that_the_client_sees(
    begins: bool, status: int, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gatehouse.audit")
    async with protected(App(begins=begins, fails=True), issuer.handle, permissions=OPEN) as server:
        with pytest.raises(LookupError):
            await ask(server, issuer.token(), *CALL)
    assert [(line["decision"], line["status"]) for line in audited(caplog)] == [("allow", status)]


async def test_the_audit_line_has_the_time_from_the_request_to_the_end_of_the_answer(
    server: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "gatehouse.audit")
    monkeypatch.setattr(gate, "time", SimpleNamespace(perf_counter=iter([100.0, 100.25]).__next__))
    await ask(server, None)
    assert [line["duration_ms"] for line in audited(caplog)] == [250.0]


async def test_only_a_stream_without_an_end_of_its_own_begins_with_a_comment(issuer: Issuer) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b'data: {"jsonrpc":"2.0","method":"news"}\n\n'})

    async with protected(app, issuer.handle, permissions=OPEN) as server:
        headers = {"Authorization": f"Bearer {issuer.token()}"}
        assert (await server.get("/mcp", headers=headers)).text.startswith(": open\n\ndata: {")
        assert (await ask(server, issuer.token(), *CALL)).text.startswith("data: {")
