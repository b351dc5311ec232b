"""An MCP client of somebody else's: the SDK's own sign-in, by registration. Prints the subject that the server sees.

Run as `sdk_client.py MCP_URL`; SSL_CERT_FILE names the authority of a private certificate.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.support.scripted_browser import answer_back

CALLBACK = "http://127.0.0.1:49152/callback"


class Memory:
    """The SDK's token storage, in memory."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


async def main(url: str) -> None:
    """Register, sign in as alice, call `whoami`."""
    answers: list[dict[str, str]] = []

    async def open_browser(address: str) -> None:
        answers.append(await anyio.to_thread.run_sync(answer_back, address, "alice@example.com"))

    async def await_callback() -> AuthorizationCodeResult:
        answer = answers.pop()
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    metadata = OAuthClientMetadata(
        client_name="Somebody's MCP client",
        redirect_uris=[AnyUrl(CALLBACK)],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
    )
    provider = OAuthClientProvider(url, metadata, Memory(), open_browser, await_callback)
    async with (
        httpx2.AsyncClient(auth=provider, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        told = await client.call_tool("whoami", {})
    assert told.structured_content is not None
    print(told.structured_content["subject"])


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
