"""The same shop on every kind of server: two tools, a resource, a template and a prompt."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mcp_types as types
from fastmcp import FastMCP
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette

from gatehouse_server.auth.permission_table import PermissionTable
from gatehouse_server.auth.permissions import META_KEY, requires

READ, WRITE = "shop:read", "shop:write"
NEEDED: dict[str, dict[str, list[str]]] = {
    "tools": {"look": [], "sell": [WRITE]},
    "prompts": {"advise": [READ]},
    "resources": {"shop://stock": [READ], "shop://shelf/{number}": [READ, WRITE]},
}
TABLE = PermissionTable(**NEEDED)
IN_META = {name: needed for section in NEEDED.values() for name, needed in section.items()}
COMMAND = (sys.executable, "-I", "-S", str(Path(__file__).with_name("stdio_shop.py")))
NOTHING: Mapping[str, list[str]] = {}
UNGUARDED = TransportSecuritySettings(enable_dns_rebinding_protection=False)


@dataclass(frozen=True)
class Host:
    """A server and the table of its permissions, if its source does not state them.

    Attributes:
        upstream: the variables of upstream mode, if the server is behind the gate as another process.
    """

    build: Callable[[], Any]
    permissions: PermissionTable | None = None
    upstream: Mapping[str, str] | None = None


def add_parts(mcp: Any, requires: Callable[..., Any] = requires) -> Any:
    """Add the shop's parts to a server with the decorators of `MCPServer`, which FastMCP also has."""

    @mcp.tool()
    async def look() -> str:
        return "looked"

    @mcp.tool()
    @requires(WRITE)
    async def sell(thing: str = "") -> str:
        return f"sold {thing}"

    @mcp.resource("shop://stock")
    @requires(READ)
    async def stock() -> str:
        return "in stock"

    @mcp.resource("shop://shelf/{number}")
    @requires(READ, WRITE)
    async def shelf(number: str) -> str:
        return f"shelf {number}"

    @mcp.prompt()
    @requires(READ)
    async def advise() -> str:
        return "advice"

    return mcp


def mcpserver() -> MCPServer:
    return add_parts(MCPServer("shop", log_level="CRITICAL"))  # type: ignore[no-any-return]


def silent(*_: str) -> Callable[[Any], Any]:
    """Like `requires`, but it states nothing."""
    return lambda function: function


def mcpserver_that_states_nothing() -> MCPServer:
    return add_parts(MCPServer("shop", log_level="CRITICAL"), silent)  # type: ignore[no-any-return]


def fastmcp() -> FastMCP[Any]:
    return add_parts(FastMCP("shop"))  # type: ignore[no-any-return]


def fastmcp_with_a_mounted_shop() -> FastMCP[Any]:
    outer: FastMCP[Any] = FastMCP("outer")
    outer.mount(fastmcp())
    return outer


def lowlevel(stated: Mapping[str, list[str]] = NOTHING) -> Server[Any]:
    """The shop with handlers of its own. The permissions in `stated` are in the `_meta` of the listed entries."""

    def meta(name: str) -> dict[str, Any] | None:
        return {META_KEY: stated[name]} if name in stated else None

    async def list_tools(ctx: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(name=name, input_schema={"type": "object"}, _meta=meta(name)) for name in ("look", "sell")
            ]
        )

    async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        done = "looked" if params.name == "look" else f"sold {(params.arguments or {}).get('thing', '')}"
        return types.CallToolResult(content=[types.TextContent(text=done)])

    async def list_resources(ctx: Any, params: Any) -> types.ListResourcesResult:
        stock = types.Resource(uri="shop://stock", name="stock", _meta=meta("shop://stock"))
        return types.ListResourcesResult(resources=[stock])

    async def list_templates(ctx: Any, params: Any) -> types.ListResourceTemplatesResult:
        uri = "shop://shelf/{number}"
        template = types.ResourceTemplate(uri_template=uri, name="shelf", _meta=meta(uri))
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def read(ctx: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        text = "in stock" if str(params.uri) == "shop://stock" else f"shelf {str(params.uri)[13:]}"
        return types.ReadResourceResult(contents=[types.TextResourceContents(uri=params.uri, text=text)])

    async def list_prompts(ctx: Any, params: Any) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=[types.Prompt(name="advise", _meta=meta("advise"))])

    async def get_prompt(ctx: Any, params: Any) -> types.GetPromptResult:
        message = types.PromptMessage(role="user", content=types.TextContent(text="advice"))
        return types.GetPromptResult(messages=[message])

    return Server(
        "shop",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
    )


def asgi() -> Starlette:
    """The shop as an app that answers with JSON."""
    return lowlevel().streamable_http_app(json_response=True, stateless_http=True, transport_security=UNGUARDED)


def asgi_in_meta() -> Starlette:
    """The same, with permissions in `_meta`."""
    server = lowlevel(IN_META)
    return server.streamable_http_app(json_response=True, stateless_http=True, transport_security=UNGUARDED)


def asgi_with_events() -> Starlette:
    """The shop as an app that answers with event streams."""
    return fastmcp().http_app(path="/mcp", stateless_http=True)


def asgi_with_sessions() -> Starlette:
    """The shop as an app that keeps sessions."""
    return lowlevel().streamable_http_app(transport_security=UNGUARDED)


HOSTS: dict[str, Host] = {
    "MCPServer": Host(mcpserver),
    "MCPServer with a table": Host(mcpserver_that_states_nothing, TABLE),
    "low-level Server": Host(lowlevel, TABLE),
    "low-level Server with permissions in _meta": Host(lambda: lowlevel(IN_META)),
    "FastMCP": Host(fastmcp),
    "FastMCP with a mounted server": Host(fastmcp_with_a_mounted_shop),
    "ASGI app that answers JSON": Host(asgi, TABLE),
    "ASGI app that answers event streams": Host(asgi_with_events, TABLE),
    "upstream that answers JSON": Host(asgi, TABLE, {}),
    "upstream that answers event streams": Host(asgi_with_events, TABLE, {}),
    "upstream with permissions in _meta": Host(asgi_in_meta, None, {"UPSTREAM_META_PERMISSIONS": "1"}),
    "command over stdio": Host(lambda: None, TABLE, {"UPSTREAM_URL": "", "UPSTREAM_COMMAND": shlex.join(COMMAND)}),
}
WITH_SESSIONS: dict[str, Host] = {
    "MCPServer": HOSTS["MCPServer"],
    "low-level Server": HOSTS["low-level Server"],
    "FastMCP": HOSTS["FastMCP"],
    "ASGI app": Host(asgi_with_sessions, TABLE),
    "upstream": Host(asgi_with_sessions, TABLE, {}),
}
