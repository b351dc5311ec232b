"""The MCP SDK's client connects with both protocol eras."""

from __future__ import annotations

import pytest

from tests.e2e.sdk_client import machine_client
from tests.support.stack import Stack


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.requirement("S32")
@pytest.mark.anyio
@pytest.mark.parametrize(("mode", "revision"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
async def test_a_client_of_that_revision_lists_and_calls(stack: Stack, mode: str, revision: str) -> None:
    async with machine_client(stack, mode) as client:
        assert client.protocol_version == revision
        tools = await client.list_tools()
        assert {tool.name for tool in tools.tools} >= {"get_time", "whoami"}
        result = await client.call_tool("whoami", {})
        assert not result.is_error
        assert result.structured_content is not None
        assert result.structured_content["subject"] == "GatehouseMachineDemoClient000000@clients"


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_an_unknown_time_zone_is_a_tool_error_with_a_suggestion(stack: Stack, mode: str) -> None:
    async with machine_client(stack, mode) as client:
        result = await client.call_tool("get_time", {"timezone": "Asia/Tokio"})
    assert result.is_error
    text = result.content[0]
    assert text.type == "text"
    assert "Asia/Tokyo" in text.text


@pytest.mark.requirement("S32")
@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_every_handshake_revision_is_answered_with_the_same_revision(stack: Stack, revision: str) -> None:
    parameters = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": parameters}
    answer = stack.call(stack.mint(), body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["protocolVersion"] == revision
