"""What the server offers, and which permissions each part needs.

The one place that looks into the MCP SDK's registries: they are kept up to date by the SDK, so a tool that is added
later is known at once, and what is looked up here is what would be executed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resources.templates import ResourceSecurityError, ResourceTemplate
from mcp_types.methods import SPEC_CLIENT_METHODS, SPEC_CLIENT_NOTIFICATION_METHODS

from ..auth.operations import Operation, Target
from ..auth.permissions import declared

UNKNOWN = "(other)"

_METHODS = frozenset({"GET", "DELETE", *SPEC_CLIENT_METHODS, *SPEC_CLIENT_NOTIFICATION_METHODS})


class Catalogue:
    """The tools, resources and prompts of one server.

    Args:
        base: permissions that every operation needs.
    """

    def __init__(self, mcp: MCPServer, base: Iterable[str]) -> None:
        self.base = frozenset(base)
        self._tools = mcp._tool_manager
        self._prompts = mcp._prompt_manager
        self._resources = mcp._resource_manager

    def needed(self, operation: Operation) -> frozenset[str]:
        """All permissions that the operation needs."""
        needed = self.base
        for target in operation.targets:
            needed |= self.of(target)
        return needed

    def of(self, target: Target) -> frozenset[str]:
        """What one tool, prompt or resource needs beyond the base. Nothing for what does not exist."""
        kind, name = target
        if kind == "tool":
            tool = self._tools.get_tool(name)
            return declared(tool.fn) if tool else frozenset()
        if kind == "prompt":
            prompt = self._prompts.get_prompt(name)
            return declared(prompt.fn) if prompt else frozenset()
        return self._of_resource(name)

    def label(self, operation: Operation) -> tuple[str, str]:
        """Method and target for a metric: a caller must not be able to make up series."""
        method = operation.method if operation.method in _METHODS else UNKNOWN
        if not operation.targets:
            return method, ""
        kind, name = operation.targets[0]
        if kind == "tool":
            registered = self._tools.get_tool(name) is not None
        else:
            registered = kind == "prompt" and self._prompts.get_prompt(name) is not None
        return method, name if registered else UNKNOWN

    def every(self) -> frozenset[str]:
        """Every permission that something here needs."""
        return self.base.union(*(permissions for _, permissions in self.entries()))

    def entries(self) -> Iterator[tuple[Target, frozenset[str]]]:
        """Everything on offer with what it needs beyond the base, for documentation."""
        for tool in self._tools.list_tools():
            yield ("tool", tool.name), declared(tool.fn)
        for prompt in self._prompts.list_prompts():
            yield ("prompt", prompt.name), declared(prompt.fn)
        for resource in self._resources.list_resources():
            yield ("resource", str(resource.uri)), _declared_by_resource(resource)
        for template in self._resources.list_templates():
            yield ("resource", template.uri_template), declared(template.fn)

    def table(self) -> str:
        """What every tool, resource and prompt needs, as a Markdown table."""
        rows = [
            f"| {kind} | `{name}` | {', '.join(f'`{permission}`' for permission in sorted(self.base | own))} |"
            for (kind, name), own in self.entries()
        ]
        return "\n".join(["| | name | needs |", "|---|---|---|", *rows, ""])

    def _of_resource(self, uri: str) -> frozenset[str]:
        needed: frozenset[str] = frozenset()
        for resource in self._resources.list_resources():
            if str(resource.uri) == uri:
                needed |= _declared_by_resource(resource)
        # Every template that could answer counts, not only the one that the SDK would try first.
        for template in self._resources.list_templates():
            if uri == template.uri_template or _matches(template, uri):
                needed |= declared(template.fn)
        return needed


def _declared_by_resource(resource: object) -> frozenset[str]:
    return declared(getattr(resource, "fn", None))


def _matches(template: ResourceTemplate, uri: str) -> bool:
    try:
        return template.matches(uri) is not None
    except ResourceSecurityError:
        return True
