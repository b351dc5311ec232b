"""Other MCP clients sign in: the MCP SDK's OAuth client, registered or not, and FastMCP's."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest
from fastmcp import Client as FastMCPClient
from fastmcp.client.auth import OAuth

from tests.e2e.sdk_client import CALLBACK, MemoryStorage, preregistered, sdk_client, unregistered
from tests.support.scripted_browser import PASSWORDS, sign_in
from tests.support.stack import Stack

ALICE = "alice@example.com"
CONVERT = {"time": "2026-07-28T09:30", "from_timezone": "Asia/Tokyo", "to_timezone": "UTC"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("registered", [unregistered, preregistered])
async def test_the_mcp_sdks_client_signs_in_calls_and_steps_up(
    stack: Stack, registered: Callable[[Stack], MemoryStorage], mode: str
) -> None:
    storage = registered(stack)
    callback = stack.variables.get("OAUTH_CALLBACK_URI", CALLBACK)
    async with sdk_client(stack, storage, callback, mode) as client:
        told = await client.call_tool("whoami", {})
        assert told.structured_content is not None
        assert told.structured_content["subject"] == "auth0|65a11ce00000000000000001"
        assert told.structured_content["permissions"] == ["access:mcp"]
        converted = await client.call_tool("convert_time", CONVERT)
        assert not converted.is_error
        assert converted.structured_content is not None
        assert converted.structured_content["time"] == "2026-07-28T00:30:00+00:00"
    assert storage.tokens is not None
    assert storage.client is not None
    if registered is unregistered:
        assert storage.client.client_id.startswith("tpc_"), "Dynamic Client Registration was used"


class HeadlessOAuth(OAuth):
    """FastMCP's sign-in with its own callback listener. A scripted browser signs alice in."""

    async def redirect_handler(self, authorization_url: str) -> None:
        threading.Thread(target=self._browse, args=(authorization_url,), daemon=True).start()

    def _browse(self, url: str) -> None:
        # FastMCP starts its listener after this call. A person is slower than that; the scripted browser may not be.
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("localhost", self.redirect_port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                break
        sign_in(url, ALICE, PASSWORDS[ALICE])


@pytest.mark.filterwarnings("ignore:Using in-memory token storage")
@pytest.mark.anyio
async def test_fastmcps_client_registers_signs_in_lists_calls_and_steps_up(stack: Stack) -> None:
    async with FastMCPClient(stack.mcp_url, auth=HeadlessOAuth(stack.mcp_url)) as client:
        names = {tool.name for tool in await client.list_tools()}
        assert {"get_time", "whoami", "convert_time"} <= names
        told = await client.call_tool("whoami", {})
        assert told.structured_content is not None
        assert told.structured_content["permissions"] == ["access:mcp"]
        converted = await client.call_tool("convert_time", CONVERT)
        assert converted.structured_content is not None
        assert converted.structured_content["time"] == "2026-07-28T00:30:00+00:00"
