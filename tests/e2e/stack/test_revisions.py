"""The MCP SDK's own client, of both protocol eras, as any other client would connect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.stack import Stack

MACHINE = {
    "client_id": "GatehouseMachineDemoClient000000",
    "client_secret": "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-2",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def connected(stack: Stack, mode: str, **options: Any) -> AsyncIterator[Client]:
    """The SDK's client with a machine's token (client credentials grant)."""
    grant = {"grant_type": "client_credentials", "audience": stack.audience, **MACHINE}
    answer = httpx2.post(f"{stack.issuer}oauth/token", data=grant)
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(stack.mcp_url, http_client=http), mode=mode, **options) as client,
    ):
        yield client


@pytest.mark.requirement("S32")
@pytest.mark.anyio
@pytest.mark.parametrize(("mode", "revision"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
async def test_a_client_of_that_revision_lists_and_calls(stack: Stack, mode: str, revision: str) -> None:
    async with connected(stack, mode) as client:
        assert client.protocol_version == revision
        tools = await client.list_tools()
        assert {tool.name for tool in tools.tools} >= {"get_time", "whoami"}
        result = await client.call_tool("whoami", {})
        assert not result.is_error
        assert result.structured_content is not None
        assert result.structured_content["subject"] == "GatehouseMachineDemoClient000000@clients"


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_an_unknown_time_zone_is_an_error_of_the_tool_that_helps(stack: Stack, mode: str) -> None:
    async with connected(stack, mode) as client:
        result = await client.call_tool("get_time", {"timezone": "Asia/Tokio"})
    assert result.is_error
    text = result.content[0]
    assert text.type == "text"
    assert "Asia/Tokyo" in text.text


@pytest.mark.requirement("S32")
@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_every_handshake_revision_is_answered_in_its_own(stack: Stack, revision: str) -> None:
    parameters = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": parameters}
    answer = stack.call(stack.mint(), body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["protocolVersion"] == revision
