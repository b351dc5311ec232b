"""The private parts of other packages: all are there, and a release that moves one is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mcp.server._otel as otel
import mcp.server.streamable_http as sdk_transport
import pytest
from fastmcp.server.providers import addressing, fastmcp_provider
from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from sse_starlette import EventSourceResponse

from gatehouse_server.adapters import internals
from gatehouse_server.app import protect
from tests.server.adapters.hosts import fastmcp, fastmcp_with_a_mounted_shop
from tests.server.token_issuer import settings

MOVED: dict[str, tuple[Callable[[], object], str]] = {
    "the low-level server of MCPServer": (lambda: MCPServer("x"), "_lowlevel_server"),
    "the tools of MCPServer": (lambda: MCPServer("x"), "_tool_manager"),
    "the prompts of MCPServer": (lambda: MCPServer("x"), "_prompt_manager"),
    "the resources of MCPServer": (lambda: MCPServer("x"), "_resource_manager"),
    "the custom routes of MCPServer": (lambda: MCPServer("x"), "_custom_starlette_routes"),
    "the low-level server of FastMCP": (fastmcp, "_mcp_server"),
}
MODULES = [
    (StreamableHTTPSessionManager, "_handle_request"),
    (otel, "OpenTelemetryMiddleware"),
    (sdk_transport, "EventSourceResponse"),
    (EventSourceResponse, "_listen_for_exit_signal_with_grace"),
    (addressing, "parse_hashed_backend_name"),
    *((fastmcp_provider, name) for name in internals._MOUNTED),
]


@pytest.mark.parametrize(("owner", "name"), MODULES, ids=str)
def test_a_private_part_of_a_module_or_class_is_there(owner: object, name: str) -> None:
    assert hasattr(owner, name)


@pytest.mark.parametrize("case", MOVED)
def test_a_server_whose_release_moved_a_private_part_is_refused_with_its_name(case: str) -> None:
    build, name = MOVED[case]
    server: Any = build()
    value = vars(server).pop(name)
    with pytest.raises(internals.UnsupportedRelease, match=rf"(mcp|fastmcp-slim) \d.*{name}: install an older release"):
        protect(server, settings())
    vars(server)[name] = value
    assert protect(server, settings())


@pytest.mark.anyio
async def test_a_mounted_component_leads_to_its_server_and_its_name_there() -> None:
    outer = fastmcp_with_a_mounted_shop()
    tool, prompt = await outer.get_tool("sell"), await outer.get_prompt("advise")
    resource, template = await outer.get_resource("shop://stock"), await outer.get_resource_template("shop://shelf/1")
    names = []
    for component in (tool, prompt, resource, template):
        origin = internals.mounted_origin(component)
        assert origin is not None
        assert origin[0].name == "shop"
        names.append(origin[1])
    assert names == ["sell", "advise", "shop://stock", "shop://shelf/{number}"]


@pytest.mark.anyio
async def test_a_mounted_component_whose_release_moved_its_server_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tool = await fastmcp_with_a_mounted_shop().get_tool("sell")
    internals.mounted_name.cache_clear()
    monkeypatch.delattr(fastmcp_provider, "FastMCPProviderTool")
    with pytest.raises(internals.UnsupportedRelease, match="FastMCPProviderTool"):
        internals.mounted_origin(tool)
