"""Other MCP clients sign in with what they bring: the MCP SDK's own OAuth client, registered or not, and FastMCP's."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio.to_thread
import httpx2
import pytest
from fastmcp import Client as FastMCPClient
from fastmcp.client.auth import OAuth
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from tests.support.scripted_browser import PASSWORDS, answer_back, sign_in
from tests.support.stack import Stack

ALICE = "alice@example.com"
CALLBACK = os.environ.get("OAUTH_CALLBACK_URI", "http://localhost:8642/callback")
CONVERT = {"time": "2026-07-28T09:30", "from_timezone": "Asia/Tokyo", "to_timezone": "UTC"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Memory:
    """The SDK's token storage, in memory."""

    def __init__(self, client: OAuthClientInformationFull | None = None) -> None:
        self.tokens: OAuthToken | None = None
        self.client = client

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@asynccontextmanager
async def signed_in(stack: Stack, storage: Memory, callback: str, mode: str) -> AsyncIterator[Client]:
    """The SDK's client with the SDK's sign-in; only the browser is ours."""
    answers: list[dict[str, str]] = []

    async def open_browser(url: str) -> None:
        answers.append(await anyio.to_thread.run_sync(answer_back, url, ALICE))

    async def await_callback() -> AuthorizationCodeResult:
        answer = answers.pop()
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    metadata = OAuthClientMetadata(
        client_name="Somebody's MCP client",
        redirect_uris=[AnyUrl(callback)],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
    )
    provider = OAuthClientProvider(stack.mcp_url, metadata, storage, open_browser, await_callback)
    async with (
        httpx2.AsyncClient(auth=provider, timeout=30) as http,
        Client(streamable_http_client(stack.mcp_url, http_client=http), mode=mode) as client,
    ):
        yield client


def nobody(stack: Stack) -> Memory:
    return Memory()


def preregistered(stack: Stack) -> Memory:
    client = OAuthClientInformationFull(
        client_id="GatehouseAgentDemoClient00000000",
        client_secret="demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-1",
        redirect_uris=[AnyUrl(stack.variables.get("OAUTH_CALLBACK_URI", CALLBACK))],
        token_endpoint_auth_method="client_secret_post",
        issuer=stack.issuer,
    )
    return Memory(client)


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("registered", [nobody, preregistered])
async def test_the_sdks_own_client_signs_in_calls_and_steps_up(
    stack: Stack, registered: Callable[[Stack], Memory], mode: str
) -> None:
    storage = registered(stack)
    callback = stack.variables.get("OAUTH_CALLBACK_URI", CALLBACK)
    async with signed_in(stack, storage, callback, mode) as client:
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
    if registered is nobody:
        assert storage.client.client_id.startswith("tpc_"), "Dynamic Client Registration was used"


class HeadlessOAuth(OAuth):
    """FastMCP's sign-in with its own callback listener; only the browser is ours."""

    async def redirect_handler(self, authorization_url: str) -> None:
        threading.Thread(target=self._browse, args=(authorization_url,), daemon=True).start()

    def _browse(self, url: str) -> None:
        # The listener is started after this; a person takes longer than that, the robot may not.
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
