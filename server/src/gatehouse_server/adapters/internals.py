"""The private parts of other packages that the adapters use, all of them.

There is no public way to these. `tests/server/adapters/test_internals.py` fails if a release moves one, and `protect()`
then fails with `UnsupportedRelease`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Any, cast

import anyio
import mcp.server.streamable_http as sdk_transport
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.prompts.manager import PromptManager
from mcp.server.mcpserver.resources.resource_manager import ResourceManager
from mcp.server.mcpserver.tools.tool_manager import ToolManager
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from sse_starlette import EventSourceResponse
from starlette.routing import Route
from starlette.types import ASGIApp

_MOUNTED = {
    "FastMCPProviderTool": "_original_name",
    "FastMCPProviderPrompt": "_original_name",
    "FastMCPProviderResource": "_original_uri",
    "FastMCPProviderResourceTemplate": "_original_uri_template",
}


class UnsupportedRelease(RuntimeError):
    """An installed package has moved something that an adapter needs. The message names both."""


def lowlevel_server(server: MCPServer | Any) -> Server[Any]:  # noqa: ANN401 - FastMCP is optional
    """The low-level server of an `MCPServer` or a `FastMCP`."""
    return cast("Server[Any]", _private(server, "_lowlevel_server" if isinstance(server, MCPServer) else "_mcp_server"))


def registries(server: MCPServer) -> tuple[ToolManager, PromptManager, ResourceManager]:
    """The registered tools, prompts and resources, with their functions."""
    return (
        _private(server, "_tool_manager"),
        _private(server, "_prompt_manager"),
        _private(server, "_resource_manager"),
    )


def custom_routes(server: MCPServer) -> list[Route]:
    """The routes of `custom_route`.

    `streamable_http_app()` has them also, but it replaces the server's session manager.
    """
    return cast("list[Route]", _private(server, "_custom_starlette_routes"))


def unlimited_handler(manager: StreamableHTTPSessionManager) -> ASGIApp:
    """The manager's handler without its limit for bodies."""
    return cast("ASGIApp", _private(manager, "_handle_request"))


def without_spans(middleware: list[Any]) -> list[Any]:
    """The middleware of a low-level server without the SDK's span for each message."""
    traced = _private(import_module("mcp.server._otel"), "OpenTelemetryMiddleware")
    return [item for item in middleware if not isinstance(item, traced)]


def mounted_origin(component: object) -> tuple[Any, str] | None:
    """The FastMCP server that a mounted component belongs to, and its name or URI there; None if it is not mounted."""
    name = mounted_name(type(component))  # type: ignore[arg-type]  # every class is hashable
    return None if name is None else (_private(component, "_server"), _private(component, name))


@cache
def mounted_name(kind: type[Any]) -> str | None:
    """The attribute with a mounted component's name or URI, for that class of components; None for any other class."""
    wrappers = import_module("fastmcp.server.providers.fastmcp_provider")
    found = [name for wrapper, name in _MOUNTED.items() if issubclass(kind, _private(wrappers, wrapper))]
    return found[0] if found else None


def hashed_tool_name(name: str) -> tuple[str, str] | None:
    """FastMCP's second name of a tool that belongs to an app: the hash, and the tool's name."""
    parse = _private(import_module("fastmcp.server.providers.addressing"), "parse_hashed_backend_name")
    return cast("Callable[[str], tuple[str, str] | None]", parse)(name)


calls_finish: ContextVar[bool] = ContextVar("calls_finish", default=False)
"""Whether the event stream of the current request goes on at a stop until its call has ended."""


class _EventStream(EventSourceResponse):
    """An event stream of a protected app ends with its call.

    sse_starlette cuts every event stream of the process at a signal.
    """

    async def _listen_for_exit_signal_with_grace(self) -> None:
        if calls_finish.get():
            await anyio.sleep_forever()
        await super()._listen_for_exit_signal_with_grace()


def let_calls_finish() -> None:
    """Let the SDK use event streams that respect `calls_finish`. Other apps of the process see no difference."""
    if not issubclass(_private(sdk_transport, "EventSourceResponse"), _EventStream):
        _private(EventSourceResponse, "_listen_for_exit_signal_with_grace")
        sdk_transport.EventSourceResponse = _EventStream  # type: ignore[attr-defined]


def _private(owner: object, name: str) -> Any:  # noqa: ANN401 - the caller knows the type
    try:
        return getattr(owner, name)
    except AttributeError:
        raise UnsupportedRelease(_explain(owner, name)) from None


def _explain(owner: object, name: str) -> str:
    place = getattr(owner, "__name__", None) or f"{type(owner).__module__}.{type(owner).__qualname__}"
    package = place.partition(".")[0].replace("_", "-")
    distribution = "fastmcp-slim" if package == "fastmcp" else package
    return f"{distribution} {version(distribution)} has no {place}.{name}: install an older release of it."
