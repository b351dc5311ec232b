"""A call whose answer is an event stream ends with its token, on every kind of server, and in time at a stop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import fastmcp
import httpx2
import mcp_types as types
import pytest
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import Context, MCPServer
from sse_starlette.sse import AppStatus
from starlette.applications import Starlette

from gatehouse_server.app import protect
from gatehouse_server.auth import streams
from gatehouse_server.auth.permission_table import PermissionTable
from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.auth.streams import Streams
from tests.server.adapters.hosts import UNGUARDED
from tests.server.protected_server import ERAS, ORIGIN, Era, headers_of, message
from tests.server.token_issuer import JWKS_URL, Issuer, settings
from tests.server.upstream.guarded import gate_app
from tests.server.upstream.in_process import InProcess

pytestmark = pytest.mark.anyio

OPEN = PermissionTable(tools={"*": []})


class Calls:
    """The calls of the tool `wait`, which runs until it is released or cancelled."""

    def __init__(self) -> None:
        self.running, self.released, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(self) -> str:
        self.running.set()
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return "released"

    def mcpserver(self) -> MCPServer:
        async def wait(ctx: Context[Any, Any]) -> str:
            await ctx.report_progress(1, 2)
            return await self.wait()

        mcp = MCPServer("waiting", log_level="CRITICAL")
        mcp.tool()(wait)
        return mcp

    def fastmcp(self) -> fastmcp.FastMCP[Any]:
        async def wait(ctx: fastmcp.Context) -> str:
            await ctx.report_progress(1, 2)
            return await self.wait()

        mcp: fastmcp.FastMCP[Any] = fastmcp.FastMCP("waiting")
        mcp.tool(wait)
        return mcp

    def lowlevel(self) -> Server[Any]:
        async def call(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
            await ctx.session.report_progress(1, 2)
            return types.CallToolResult(content=[types.TextContent(text=await self.wait())])

        return Server("waiting", on_call_tool=call)

    def asgi(self) -> Starlette:
        return self.mcpserver().streamable_http_app(stateless_http=True, transport_security=UNGUARDED)


@asynccontextmanager
async def gate_before(host: str, calls: Calls, issuer: Issuer, folder: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the gate in front of a server of that kind."""
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    protected = partial(protect, settings=settings(), keys=SigningKeys(JWKS_URL, "RS256", http=http))
    build: dict[str, Callable[[], Starlette]] = {
        "MCPServer": lambda: protected(calls.mcpserver()),
        "MCPServer with sessions": lambda: protected(calls.mcpserver(), sessions=True),
        "low-level Server": lambda: protected(calls.lowlevel()),
        "FastMCP": lambda: protected(calls.fastmcp()),
        "ASGI app": lambda: protected(calls.asgi(), permissions=OPEN),
    }
    async with asyncio.timeout(20):
        if host == "upstream":
            upstream = calls.asgi()
            app: Starlette = gate_app(InProcess(upstream), issuer, folder, table={"tools": {"*": []}})
            async with upstream.router.lifespan_context(upstream), client_of(app) as client:
                yield client
        else:
            async with client_of(build[host]()) as client:
                yield client


@asynccontextmanager
async def client_of(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    transport = InProcess(app)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


async def call(
    client: httpx2.AsyncClient, token: str, era: Era = "legacy", *, asks: bool = True, **headers: str
) -> httpx2.Response:
    """A call that asks for progress, so that the answer is a stream; without `asks` the server decides."""
    meta = {"_meta": {"progressToken": "p"}} if asks else {}
    body = message("tools/call", {"name": "wait", "arguments": {}, **meta}, era)
    return await client.post("/mcp", json=body, headers={**headers_of(body, era, token), **headers}, timeout=None)


def last_event(answer: httpx2.Response) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    *progress, last = map(json.loads, lines)
    assert {event["method"] for event in progress} <= {"notifications/progress"}
    return dict(last)


HOSTS = ["MCPServer", "low-level Server", "FastMCP", "ASGI app", "upstream"]
START = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("host", HOSTS)
async def test_a_streamed_call_ends_when_its_token_expires(
    host: str, era: Era, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, exp = Calls(), int(time.time()) + 600
    monkeypatch.setattr("gatehouse_server.composition.Streams", partial(Streams, clock=lambda: exp - 0.2))
    async with gate_before(host, calls, issuer, tmp_path) as client:
        answer = last_event(await call(client, issuer.token(exp=exp), era))
        assert answer["id"] == 1
        assert "token expired" in answer["error"]["message"]
        if calls.running.is_set():
            await calls.cancelled.wait()


@pytest.mark.parametrize("host", ["ASGI app", "upstream"])
async def test_a_call_that_a_server_answers_with_a_stream_of_its_own_accord_ends_when_its_token_expires(
    host: str, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = int(time.time()) + 600
    monkeypatch.setattr("gatehouse_server.composition.Streams", partial(Streams, clock=lambda: exp - 0.2))
    async with gate_before(host, Calls(), issuer, tmp_path) as client:
        answer = last_event(await call(client, issuer.token(exp=exp), asks=False))
        assert "token expired" in answer["error"]["message"]


async def test_a_streamed_call_of_a_session_ends_when_its_token_expires(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, exp = Calls(), int(time.time()) + 600
    token = issuer.token(exp=exp)
    monkeypatch.setattr("gatehouse_server.composition.Streams", partial(Streams, clock=lambda: exp - 0.2))
    async with gate_before("MCPServer with sessions", calls, issuer, tmp_path) as client:
        start = message("initialize", START)
        opened = await client.post("/mcp", json=start, headers=headers_of(start, "legacy", token))
        answer = await call(client, token, **{"Mcp-Session-Id": opened.headers["mcp-session-id"]})
        assert "token expired" in last_event(answer)["error"]["message"]


@pytest.mark.parametrize("host", HOSTS)
async def test_a_streamed_call_may_go_on_for_a_time_after_the_beginning_of_a_stop(
    host: str, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls()
    monkeypatch.setattr(streams, "CALL_SECONDS", 0.0)
    async with gate_before(host, calls, issuer, tmp_path) as client:
        asked = asyncio.ensure_future(call(client, issuer.token()))
        await calls.running.wait()
        assert not asked.done()
        monkeypatch.setattr(streams, "_uvicorn_stops", lambda: True)
        assert "server stopped" in last_event(await asked)["error"]["message"]
        await calls.cancelled.wait()


async def test_at_a_stop_only_the_streams_of_a_protected_app_go_on(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AppStatus, "should_exit", True)
    protected, unprotected = Calls(), Calls()
    other = unprotected.asgi()
    async with (
        gate_before("MCPServer", protected, issuer, tmp_path) as client,
        client_of(other) as directly,
    ):
        asked = asyncio.ensure_future(call(client, issuer.token()))
        await protected.running.wait()
        with pytest.raises(httpx2.RemoteProtocolError, match="ended within its answer"):
            await call(directly, "")
        assert not asked.done()
        protected.released.set()
        assert last_event(await asked)["result"]["content"][0]["text"] == "released"


@pytest.mark.parametrize("host", ["mcpserver", "lowlevel", "fastmcp"])
async def test_the_given_server_has_the_same_parts_after_its_protection(
    host: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parts() -> dict[str, Any]:
        return {name: each for name, each in vars(server).items() if name != "_shared_context_snapshot"}  # FastMCP's

    server = getattr(Calls(), host)()
    before = parts()
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    async with client_of(protect(server, settings(), keys=SigningKeys(JWKS_URL, "RS256", http=http))) as client:
        assert (await client.get("/livez")).status_code == 200
    assert parts() == before
