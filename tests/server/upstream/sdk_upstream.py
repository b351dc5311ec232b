"""Upstreams made with the MCP SDK, which know nothing of the gate, and clients of the SDK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import BaseModel
from starlette.applications import Starlette

from tests.server.protected_server import ORIGIN
from tests.server.token_issuer import Issuer
from tests.server.upstream.guarded import TABLE, gate_app
from tests.server.upstream.in_process import InProcess

TABLE_OF_SDK_SERVER = {**TABLE, "tools": {**TABLE["tools"], "count": [], "wait": [], "confirm": []}}
KINDS: dict[str, dict[str, bool]] = {
    "stateless, json": {"stateless_http": True, "json_response": True},
    "stateless, events": {"stateless_http": True},
    "sessions, events": {},
    "sessions, json": {"json_response": True},
}


class Confirmation(BaseModel):
    """What the person is asked."""

    sure: bool


class SdkUpstream:
    """An `MCPServer` that records which tools ran.

    Attributes:
        waiting: set while the tool `wait` runs.
        cancelled: set when it was cancelled.
    """

    def __init__(self, kind: str) -> None:
        self.executed: list[str] = []
        self.waiting, self.cancelled = asyncio.Event(), asyncio.Event()
        self._mcp = MCPServer("upstream")
        for name in ("open", "read", "write", "unknown"):
            self._mcp.tool(name=name)(self._tool(name))
        for name in ("open", "read", "unknown"):
            self._mcp.prompt(name=name)(self._tool(name))
        for uri in ("shop://open", "shop://read", "shop://secret"):
            self._mcp.resource(uri)(self._tool(uri))
        self._mcp.resource("shop://items/{item}")(self._item)
        for tool in (self.count, self.wait, self.confirm):
            self._mcp.tool()(tool)
        security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        self.app: Starlette = self._mcp.streamable_http_app(transport_security=security, **KINDS[kind])  # type: ignore[arg-type]
        self.transport = InProcess(self.app)

    def _tool(self, name: str) -> Any:
        async def run() -> str:
            self.executed.append(name)
            return f"did {name}"

        return run

    async def _item(self, item: str) -> str:
        return item

    async def count(self, ctx: Context[Any, Any]) -> str:
        """Report progress twice."""
        for step in (1, 2):
            await ctx.report_progress(step, 2)
        return "counted"

    async def wait(self) -> str:
        """Run until the call is cancelled."""
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        return ""

    async def confirm(self, ctx: Context[Any, Any]) -> str:
        """Ask the person."""
        answer = await ctx.elicit("Really?", Confirmation)
        return f"{answer.action} {getattr(answer, 'data', None)}"


@asynccontextmanager
async def guarded(
    kind: str, issuer: Issuer, folder: Path, **variables: str
) -> AsyncIterator[tuple[SdkUpstream, Starlette]]:
    """The upstream and the gate in front of it, both running."""
    upstream = SdkUpstream(kind)
    gate = gate_app(upstream.transport, issuer, folder, table=TABLE_OF_SDK_SERVER, **variables)
    async with upstream.app.router.lifespan_context(upstream.app), gate.router.lifespan_context(gate):
        yield upstream, gate


@asynccontextmanager
async def sdk_client(gate: Starlette, token: str, mode: str, **callbacks: Any) -> AsyncIterator[Client]:
    """A client of the MCP SDK that is signed in."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(transport=InProcess(gate), headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{ORIGIN}/mcp", http_client=http), mode=mode, **callbacks) as client,
    ):
        yield client
