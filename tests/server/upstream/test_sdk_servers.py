"""Servers and clients of the MCP SDK with the gate between them: stateless and with sessions, of both protocol eras."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult

from gatehouse_server.auth.streams import Streams
from tests.server.protected_server import ORIGIN, headers_of, message
from tests.server.token_issuer import Issuer
from tests.server.upstream.in_process import InProcess
from tests.server.upstream.sdk_upstream import KINDS, guarded, sdk_client

pytestmark = pytest.mark.anyio

MODES = ["legacy", "auto"]


async def names(client: Client) -> dict[str, set[str]]:
    """What the client sees."""
    return {
        "tools": {tool.name for tool in (await client.list_tools()).tools},
        "prompts": {prompt.name for prompt in (await client.list_prompts()).prompts},
        "resources": {str(resource.uri) for resource in (await client.list_resources()).resources},
        "templates": {each.uri_template for each in (await client.list_resource_templates()).resource_templates},
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_client_sees_and_uses_what_its_permissions_allow(
    issuer: Issuer, tmp_path: Path, kind: str, mode: str
) -> None:
    async with guarded(kind, issuer, tmp_path) as (upstream, gate):
        token = issuer.token(scope="access:mcp shop:read", permissions=["access:mcp", "shop:read"])
        async with sdk_client(gate, token, mode) as client:
            assert await names(client) == {
                "tools": {"open", "read", "count", "wait", "confirm"},
                "prompts": {"open", "read"},
                "resources": {"shop://open", "shop://read"},
                "templates": {"shop://items/{item}"},
            }
            assert (await client.call_tool("read", {})).content[0].text == "did read"  # type: ignore[union-attr]
            assert (await client.get_prompt("read")).messages
            assert (await client.read_resource("shop://items/7")).contents[0].text == "7"  # type: ignore[union-attr]
            for name in ("write", "unknown"):
                with pytest.raises(MCPError):
                    await client.call_tool(name, {})
            assert "write" not in upstream.executed
            assert "unknown" not in upstream.executed


@pytest.mark.parametrize("mode", MODES)
async def test_progress_arrives_while_the_tool_runs(issuer: Issuer, tmp_path: Path, mode: str) -> None:
    seen: list[float] = []

    async def progress(done: float, _total: float | None, _message: str | None) -> None:
        seen.append(done)

    async with (
        guarded("stateless, events", issuer, tmp_path) as (_, gate),
        sdk_client(gate, issuer.token(), mode) as client,
    ):
        result = await client.call_tool("count", {}, progress_callback=progress)
        assert result.content[0].text == "counted"  # type: ignore[union-attr]
    assert seen == [1, 2]


async def test_a_server_with_sessions_can_ask_the_person(issuer: Issuer, tmp_path: Path) -> None:
    async def answer(_context: Any, _params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"sure": True})

    async with (
        guarded("sessions, events", issuer, tmp_path) as (_, gate),
        sdk_client(gate, issuer.token(), "legacy", elicitation_callback=answer) as client,
    ):
        result = await client.call_tool("confirm", {})
        assert result.content[0].text == "accept sure=True"  # type: ignore[union-attr]


async def raw(gate: Any, token: str, body: Mapping[str, Any], **headers: str) -> httpx2.Response:
    """Send a request; the answer's body is not read."""
    sent = {**headers_of(body, "legacy", token), **headers}
    client = httpx2.AsyncClient(transport=InProcess(gate))
    return await client.send(client.build_request("POST", f"{ORIGIN}/mcp", json=body, headers=sent), stream=True)


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_call_is_cancelled_at_the_upstream_when_the_client_closes_it(
    issuer: Issuer, tmp_path: Path, era: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with guarded("stateless, events", issuer, tmp_path) as (upstream, gate), asyncio.timeout(20):
        body = message("tools/call", {"name": "wait", "arguments": {}}, era)
        headers = headers_of(body, era, issuer.token())
        async with httpx2.AsyncClient(transport=InProcess(gate)) as client:
            call = asyncio.ensure_future(client.post(f"{ORIGIN}/mcp", json=body, headers=headers, timeout=None))
            await upstream.waiting.wait()
            call.cancel()
            await upstream.cancelled.wait()
    assert "ERROR" not in caplog.text


async def test_a_session_of_another_caller_is_not_found(issuer: Issuer, tmp_path: Path) -> None:
    async with guarded("sessions, json", issuer, tmp_path) as (upstream, gate):
        start = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        opened = await raw(gate, issuer.token(), message("initialize", start))
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        call = message("tools/call", {"name": "open", "arguments": {}})
        stolen = await raw(gate, issuer.token(sub="auth0|mallory"), call, **session)
        assert (stolen.status_code, upstream.executed) == (404, [])
        own = await raw(gate, issuer.token(), call, **session)
        assert (own.status_code, upstream.executed) == (200, ["open"])


async def test_a_stream_of_the_server_ends_with_the_token(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = int(time.time()) + 600
    token = issuer.token(exp=exp)
    monkeypatch.setattr("gatehouse_server.composition.Streams", partial(Streams, clock=lambda: exp - 0.1))
    async with guarded("sessions, events", issuer, tmp_path) as (_, gate), asyncio.timeout(20):
        start = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        opened = await raw(gate, token, message("initialize", start))
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "text/event-stream",
            "Mcp-Session-Id": opened.headers["mcp-session-id"],
        }
        async with httpx2.AsyncClient(transport=InProcess(gate)) as client:
            answer = await client.get(f"{ORIGIN}/mcp", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
