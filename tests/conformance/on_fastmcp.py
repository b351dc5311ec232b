"""The scenario server's functions on FastMCP: the decorators and the context of `MCPServer`, as FastMCP has them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import fastmcp
import mcp_types as types
from fastmcp.prompts import Message
from fastmcp.tools.function_tool import FunctionTool
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import Context as SdkContext
from mcp.server.mcpserver.prompts.base import UserMessage

from gatehouse_server.adapters import internals

Function = Callable[..., Any]


class _Context:
    """FastMCP's context with the members of the SDK's that the scenarios use."""

    def __init__(self, context: fastmcp.Context) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    @property
    def request_id(self) -> Any:
        # FastMCP's own request_id is a text, whatever the client sent.
        assert self._context.request_context is not None
        return self._context.request_context.request_id

    @property
    def client_capabilities(self) -> types.ClientCapabilities | None:
        return self._context.session.client_capabilities

    async def notify_tools_changed(self) -> None:
        await self._context.send_notification(types.ToolListChangedNotification())

    async def notify_prompts_changed(self) -> None:
        await self._context.send_notification(types.PromptListChangedNotification())


class OnFastMCP:
    """A FastMCP server with the decorators of `MCPServer`."""

    def __init__(self, name: str, version: str) -> None:
        self.server: fastmcp.FastMCP[Any] = fastmcp.FastMCP(name, version=version, dereference_schemas=False)
        self._functions: dict[str, FunctionTool] = {}

    @property
    def lowlevel(self) -> Server[Any]:
        return internals.lowlevel_server(self.server)

    def tool(
        self, name: str | None = None, description: str | None = None, structured_output: bool = False
    ) -> Function:
        def add(function: Function) -> Function:
            converted = _converted(function)
            tool = FunctionTool.from_function(converted, name=name, description=description, output_schema=None)
            self._functions[tool.name] = tool
            self.server.add_tool(tool)
            return function

        return add

    def set_schema(self, name: str, schema: dict[str, Any]) -> None:
        """Replace the schema of a tool."""
        self._functions[name].parameters = schema

    def resource(self, uri: str, mime_type: str) -> Function:
        return lambda function: self.server.resource(uri, mime_type=mime_type)(_converted(function))

    def prompt(self) -> Function:
        return lambda function: self.server.prompt(_converted(function))

    def completion(self) -> Function:
        return self.server.completion


def _converted(function: Function) -> Function:
    """The function with FastMCP's context in place of the SDK's, and its results as FastMCP wants them."""
    hints = get_type_hints(function, include_extras=True)
    contexts = [name for name, kind in hints.items() if kind is SdkContext]

    @functools.wraps(function)
    async def converted(**arguments: Any) -> Any:
        for name in contexts:
            arguments[name] = _Context(arguments[name])
        result = await function(**arguments)
        if isinstance(result, list):
            return [Message(each.content, each.role) if isinstance(each, UserMessage) else each for each in result]
        return result

    hints |= dict.fromkeys(contexts, fastmcp.Context)
    hints["return"] = Any
    parameters = [each.replace(annotation=hints[name]) for name, each in inspect.signature(function).parameters.items()]
    converted.__signature__ = inspect.Signature(parameters, return_annotation=Any)  # type: ignore[attr-defined]
    converted.__annotations__ = hints
    del converted.__wrapped__  # FastMCP would read the original annotations
    return converted
