"""The shortest script that calls a tool with a ready token: the MCP SDK's client with httpx2.

Arguments: the server's URL, the token, the tool.
"""

from __future__ import annotations

import asyncio
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, token: str, tool: str) -> None:
    """Call the tool and print the text of its result."""
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        result = await client.call_tool(tool)
    print(*(block.text for block in result.content if block.type == "text"))


asyncio.run(main(*sys.argv[1:]))
