"""Any ASGI app behind the gate: its answers with lists, its path, its lifespan."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gatehouse_server.adapters.asgi import lifespan_of
from gatehouse_server.adapters.upstream.lists import BadAnswer
from gatehouse_server.auth.permission_table import PermissionTable
from tests.server.protected_server import ask, protected
from tests.server.token_issuer import Issuer

pytestmark = pytest.mark.anyio

TABLE = PermissionTable(tools={"look": [], "sell": "shop:write"})
LIST = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "look"}, {"name": "sell"}, {"name": "secret"}]}}
JSON = {"content-type": "application/json"}
STREAM = {"content-type": "text/event-stream"}


def app_that_answers(headers: dict[str, str], *chunks: bytes, status: int = 200) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


async def listed(app: ASGIApp, issuer: Issuer) -> httpx2.Response:
    """The answer to a caller who could never get `shop:write`."""
    async with protected(app, issuer.handle, permissions=TABLE) as server:
        return await ask(server, issuer.token(permissions=["access:mcp"]))


BODY = json.dumps(LIST).encode()
EVENT = b"id: 7\r\nevent: message\r\ndata: " + BODY + b"\r\n\r\n"
ANSWERS: dict[str, ASGIApp] = {
    "JSON": app_that_answers(JSON, BODY),
    "JSON in pieces": app_that_answers(JSON, *(BODY[at : at + 1] for at in range(len(BODY)))),
    "JSON with a wrong length": app_that_answers({**JSON, "content-length": "5"}, BODY),
    "a list that calls itself text": app_that_answers({"content-type": "text/plain"}, BODY),
    "an event": app_that_answers(STREAM, EVENT),
    "an event in pieces": app_that_answers(STREAM, *(EVENT[at : at + 1] for at in range(len(EVENT)))),
    "an event after a comment": app_that_answers(STREAM, b": ping\n\n", EVENT),
    "an event whose data has several lines": app_that_answers(
        STREAM, b"".join(b"data: " + line + b"\n" for line in json.dumps(LIST, indent=1).encode().splitlines()) + b"\n"
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_list_is_filtered_in_every_form_of_an_answer(answer: str, issuer: Issuer) -> None:
    response = await listed(ANSWERS[answer], issuer)
    assert response.status_code == 200
    data = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    message = json.loads("".join(data) or response.text)
    assert message["result"]["tools"] == [{"name": "look"}]
    assert ("id: 7" in response.text) == (answer in ("an event", "an event in pieces", "an event after a comment"))


UNREADABLE: dict[str, ASGIApp] = {
    "compressed": app_that_answers({**JSON, "content-encoding": "gzip"}, gzip.compress(BODY)),
    "a name twice": app_that_answers(JSON, b'{"result":{"tools":[]},"result":{"tools":[{"name":"secret"}]}}'),
    "a batch": app_that_answers(JSON, b"[" + BODY + b"]"),
    "not JSON": app_that_answers(JSON, b"secret"),
    "an entry without a name": app_that_answers(JSON, BODY.replace(b'"name": "look"', b'"title": "look"')),
    "an event that is not JSON": app_that_answers(STREAM, b"data: secret\n\n"),
}


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_an_answer_with_a_list_that_cannot_be_read_is_not_passed_on(answer: str, issuer: Issuer) -> None:
    with pytest.raises(BadAnswer):
        await listed(UNREADABLE[answer], issuer)


async def test_an_error_of_the_app_is_passed_on(issuer: Issuer) -> None:
    response = await listed(app_that_answers({"content-type": "text/plain"}, b"busy", status=503), issuer)
    assert (response.status_code, response.text) == (503, "busy")


async def test_the_app_sees_its_own_path_also_for_a_url_with_one_slash_more(issuer: Issuer) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await PlainTextResponse(scope["path"], 201)(scope, receive, send)

    async with protected(app, issuer.handle) as server:
        headers = {"Authorization": f"Bearer {issuer.token()}"}
        answer = await server.post("/mcp/", headers=headers, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        other = await server.get("/other", headers=headers)
        assert (await server.get("/other")).status_code == 401
    assert (answer.text, other.text) == ("/mcp", "/other")


def starlette(events: list[str], problem: Exception | None = None) -> Callable[..., Any]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        if problem is not None:
            raise problem
        events.append("started")
        yield
        events.append("stopped")

    return Starlette(lifespan=lifespan)


async def test_the_lifespan_of_the_app_runs_with_that_of_the_gate(issuer: Issuer) -> None:
    events: list[str] = []
    async with protected(starlette(events), issuer.handle):
        assert events == ["started"]
    assert events == ["started", "stopped"]


async def test_an_app_that_does_not_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"did not start: .*no database"):
        async with lifespan_of(starlette([], ValueError("no database"))):
            pass


async def test_an_app_without_a_lifespan_is_served() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError(f"unknown scope {scope['type']}")

    async with lifespan_of(app):
        pass
