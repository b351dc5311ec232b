"""The MCP SDK's client: with its own OAuth sign-in, or with a machine's token."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import httpx2
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

from tests.support.scripted_browser import callback_parameters
from tests.support.stack import DEMO_CLIENT, Stack

CALLBACK = os.environ.get("OAUTH_CALLBACK_URI", "http://localhost:8642/callback")
MACHINE = {
    "client_id": "GatehouseMachineDemoClient000000",
    "client_secret": "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-2",
}


class MemoryStorage:
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
async def sdk_client(stack: Stack, storage: MemoryStorage, callback: str, mode: str) -> AsyncIterator[Client]:
    """The SDK's client with the SDK's sign-in. A scripted browser signs alice in."""
    answers: list[dict[str, str]] = []

    async def open_browser(url: str) -> None:
        answers.append(await anyio.to_thread.run_sync(callback_parameters, url, "alice@example.com"))

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


def unregistered(stack: Stack) -> MemoryStorage:
    """No client: the SDK registers one dynamically."""
    return MemoryStorage()


def preregistered(stack: Stack) -> MemoryStorage:
    """The offline tenant's own client."""
    client = OAuthClientInformationFull(
        client_id=DEMO_CLIENT["AUTH0_CLIENT_ID"],
        client_secret=DEMO_CLIENT["AUTH0_CLIENT_SECRET"],
        redirect_uris=[AnyUrl(stack.variables.get("OAUTH_CALLBACK_URI", CALLBACK))],
        token_endpoint_auth_method="client_secret_post",
        issuer=stack.issuer,
    )
    return MemoryStorage(client)


@asynccontextmanager
async def machine_client(stack: Stack, mode: str, **options: Any) -> AsyncIterator[Client]:
    """The SDK's client with a token of the client credentials grant."""
    grant = {"grant_type": "client_credentials", "audience": stack.audience, **MACHINE}
    answer = httpx2.post(f"{stack.issuer}oauth/token", data=grant)
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(stack.mcp_url, http_client=http), mode=mode, **options) as client,
    ):
        yield client
