"""An application with a Python MCP client library. Prints what it saw as JSON.

    python python_client.py LIBRARY MCP_URL CALLBACK_PORT OPERATIONS [CLIENT_ID CLIENT_SECRET]

LIBRARY is one of the names below. OPERATIONS is JSON: [["list"], ["wait", URL], ["call", "get_time", {...}]]. Without a
client id it registers itself. Tokens are kept in the working directory. $BROWSER is a program that opens an address.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

LIBRARY, URL, PORT, OPERATIONS, *REGISTERED = sys.argv[1:]
CALLBACK = f"http://localhost:{PORT}/callback"
SDK = int(version("mcp").split(".")[0])

Operation = Callable[..., Awaitable[Any]]


class Kept(TokenStorage):
    """The tokens and the registration, as files."""

    async def get_tokens(self) -> OAuthToken | None:
        return _read("tokens.json", OAuthToken)

    async def set_tokens(self, tokens: OAuthToken) -> None:
        _write("tokens.json", tokens)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return _read("client.json", OAuthClientInformationFull)

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        _write("client.json", client_info)


def provider() -> OAuthClientProvider:
    """The sign-in of the SDK, as an application of the command line uses it."""
    answer: asyncio.Future[dict[str, str]] = asyncio.Future()
    server: list[asyncio.Server] = []

    async def callback(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readline()).split()[1].decode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nDone.")
        await writer.drain()
        writer.close()
        if not answer.done():
            answer.set_result({name: values[0] for name, values in parse_qs(urlsplit(target).query).items()})

    async def redirect(address: str) -> None:
        nonlocal answer
        answer = asyncio.Future()
        if not server:
            server.append(await asyncio.start_server(callback, "localhost", int(PORT)))
        done = await asyncio.to_thread(subprocess.run, [os.environ["BROWSER"], address], check=False)
        if done.returncode != 0 and not answer.done():
            raise SystemExit("No browser could be opened.")

    async def answered() -> Any:
        query = await answer
        if "code" not in query:
            raise SystemExit(f"The tenant says: {query}")
        if SDK == 1:
            return query["code"], query.get("state")
        from mcp.shared.auth import AuthorizationCodeResult

        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))

    storage = Kept()
    method = "client_secret_post" if REGISTERED else "none"
    metadata = OAuthClientMetadata.model_validate(
        {
            "client_name": "Somebody's Python client",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": method,
        }
    )
    if REGISTERED:
        known = {**metadata.model_dump(), "client_id": REGISTERED[0], "client_secret": REGISTERED[1]}
        _write("client.json", OAuthClientInformationFull.model_validate({**known, "issuer": os.environ["ISSUER"]}))
    return OAuthClientProvider(URL, metadata, storage, redirect, answered)


@asynccontextmanager
async def of_the_sdk() -> AsyncIterator[tuple[Operation, Operation]]:
    """The SDK by itself: version 1 or 2, whichever is installed."""
    if SDK == 1:
        from mcp.client.session import ClientSession
        from mcp.client.streamable_http import streamablehttp_client

        async with (
            streamablehttp_client(URL, auth=provider()) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            yield session.list_tools, session.call_tool
        return
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx2.AsyncClient(auth=provider(), timeout=60) as http,
        Client(streamable_http_client(URL, http_client=http)) as client,
    ):
        yield client.list_tools, client.call_tool


@asynccontextmanager
async def of_langchain() -> AsyncIterator[tuple[Operation, Operation]]:
    """LangChain's adapters: the tools that an agent would get."""
    from langchain_mcp_adapters.client import MultiServerMCPClient

    connection = {"transport": "streamable_http", "url": URL, "auth": provider()}
    client = MultiServerMCPClient({"gatehouse": connection})  # type: ignore[dict-item]

    async def call(name: str, arguments: dict[str, object]) -> object:
        tools = {tool.name: tool for tool in await client.get_tools()}
        return await tools[name].ainvoke(arguments)

    async def names() -> list[str]:
        return [tool.name for tool in await client.get_tools()]

    yield names, call


@asynccontextmanager
async def of_fastmcp() -> AsyncIterator[tuple[Operation, Operation]]:
    """FastMCP's client with its own sign-in."""
    from fastmcp import Client

    async with Client(URL, auth=_fastmcp_sign_in()) as client:
        yield client.list_tools, client.call_tool


@asynccontextmanager
async def of_pydantic_ai() -> AsyncIterator[tuple[Operation, Operation]]:
    """pydantic-ai's toolset, which stands on FastMCP's client."""
    from fastmcp import Client
    from pydantic_ai.mcp import MCPToolset

    toolset: MCPToolset[None] = MCPToolset(Client(URL, auth=_fastmcp_sign_in()))
    async with toolset:
        yield toolset.list_tools, toolset.direct_call_tool


LIBRARIES = {
    "python-1": of_the_sdk,
    "python-2": of_the_sdk,
    "langchain": of_langchain,
    "fastmcp": of_fastmcp,
    "pydantic-ai": of_pydantic_ai,
}


async def waited(address: str) -> str:
    def answer() -> str:
        with urlopen(address) as response:
            return str(response.read().decode())

    return await asyncio.to_thread(answer)


async def main() -> None:
    async with LIBRARIES[LIBRARY]() as (list_tools, call_tool):
        done = {"list": list_tools, "call": call_tool, "wait": waited}
        for operation, *words in json.loads(OPERATIONS):
            print(await done[operation](*words), flush=True)


def _fastmcp_sign_in() -> Any:
    from fastmcp.client.auth import OAuth
    from key_value.aio.stores.filetree import (
        FileTreeStore,
        FileTreeV1CollectionSanitizationStrategy,
        FileTreeV1KeySanitizationStrategy,
    )

    known = {"client_id": REGISTERED[0], "client_secret": REGISTERED[1]} if REGISTERED else {}
    if known:
        known["issuer"] = os.environ["ISSUER"]
    folder = Path("kept")
    folder.mkdir(exist_ok=True)
    store = FileTreeStore(
        data_directory=folder,
        key_sanitization_strategy=FileTreeV1KeySanitizationStrategy(folder),
        collection_sanitization_strategy=FileTreeV1CollectionSanitizationStrategy(folder),
    )
    return OAuth(token_storage=store, callback_port=int(PORT), callback_timeout=30, **known)


def _read(name: str, model: Any) -> Any:
    path = Path(name)
    return model.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None


def _write(name: str, value: Any) -> None:
    Path(name).write_text(value.model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
