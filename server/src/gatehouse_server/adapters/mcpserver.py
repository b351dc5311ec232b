"""The adapter for the MCP SDK's `MCPServer`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resources.templates import ResourceSecurityError, ResourceTemplate
from starlette.applications import Starlette

from ..auth.permissions import declared, stated_in_meta
from ..auth.request import Target
from . import internals
from .host import Guard, Served
from .sdk import serve_lowlevel


class MCPServerAdapter:
    """The permissions that functions of an `MCPServer` state with `requires`, and the server behind the gate.

    `gatehouse/permissions` in the `meta` of a tool or resource also counts.
    """

    def __init__(self, mcp: MCPServer) -> None:
        self._mcp = mcp
        self._tools, self._prompts, self._resources = internals.registries(mcp)

    async def stated_by(self, targets: Sequence[Target], version: str = "") -> list[frozenset[str] | None]:
        """For each target the permissions that its function states; None if there is no such target."""
        return [self._stated_by(target) for target in targets]

    async def entries(self) -> AsyncIterator[tuple[Target, frozenset[str]]]:
        """Each tool, prompt, resource and template with the permissions that its function states."""
        for tool in self._tools.list_tools():
            yield ("tool", tool.name), _stated(tool)
        for prompt in self._prompts.list_prompts():
            yield ("prompt", prompt.name), _stated(prompt)
        for resource in self._resources.list_resources():
            yield ("resource", str(resource.uri)), _stated(resource)
        for template in self._resources.list_templates():
            yield ("resource", template.uri_template), _stated(template)

    def serve(self, guard: Guard) -> Served:
        """The server behind the gate, with the routes of `custom_route`.

        Raises:
            ValueError: the server has its own authorization.
        """
        if self._mcp.settings.auth is not None:
            raise ValueError(
                "The MCPServer has auth=..., and protect() replaces that: leave out auth and its verifier."
            )
        routes = internals.custom_routes(self._mcp)
        served = serve_lowlevel(internals.lowlevel_server(self._mcp), guard)
        return replace(served, others=Starlette(routes=routes), other_paths=tuple(route.path for route in routes))

    def _stated_by(self, target: Target) -> frozenset[str] | None:
        kind, name = target
        if kind == "resource":
            return self._stated_by_uri(name)
        registered = self._tools.get_tool(name) if kind == "tool" else self._prompts.get_prompt(name)
        return _stated(registered) if registered else None

    def _stated_by_uri(self, uri: str) -> frozenset[str] | None:
        # Every template that matches counts, not only the one that the SDK would use.
        found = [_stated(each) for each in self._resources.list_resources() if str(each.uri) == uri]
        found += [
            _stated(template)
            for template in self._resources.list_templates()
            if uri == template.uri_template or _matches(template, uri)
        ]
        return frozenset().union(*found) if found else None


def _stated(registered: object) -> frozenset[str]:
    return declared(getattr(registered, "fn", None)) | stated_in_meta(getattr(registered, "meta", None))


def _matches(template: ResourceTemplate, uri: str) -> bool:
    try:
        return template.matches(uri) is not None
    except ResourceSecurityError:
        return True
