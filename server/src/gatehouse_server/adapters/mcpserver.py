"""The adapter for the MCP SDK's `MCPServer`: the permissions of what it offers, a second check, and its transport.

Only this module uses internals of the SDK.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resources.templates import ResourceSecurityError, ResourceTemplate
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST
from mcp_types.methods import SPEC_CLIENT_METHODS, SPEC_CLIENT_NOTIFICATION_METHODS
from pydantic import BaseModel
from sse_starlette.sse import AppStatus
from starlette.types import Receive, Scope, Send

from ..auth.permissions import Hierarchy, declared, permissions_page
from ..auth.profiles import Profile
from ..auth.request import Kind, Operation, Target, current_operation, operation_of

logger = logging.getLogger(__name__)

META_KEY = "gatehouse/permissions"
"""In `_meta` of each listed tool, resource and prompt: the permissions that its use needs beyond the base."""

OTHER = "(other)"
"""The label for all methods and targets that the server does not know."""

_METHODS = frozenset({"GET", "DELETE", *SPEC_CLIENT_METHODS, *SPEC_CLIENT_NOTIFICATION_METHODS})

# Method: the result's member, the kind of its entries, and the entries' member with the name.
_LISTS: dict[str, tuple[str, Kind, str]] = {
    "tools/list": ("tools", "tool", "name"),
    "prompts/list": ("prompts", "prompt", "name"),
    "resources/list": ("resources", "resource", "uri"),
    "resources/templates/list": ("resourceTemplates", "resource", "uriTemplate"),
}


class Catalogue:
    """The tools, resources and prompts of one server, and the permissions that each needs.

    It reads the SDK's registries at each call, so a tool that is added later also counts.

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
            needed |= self.declared_by(target)
        return needed

    def declared_by(self, target: Target) -> frozenset[str]:
        """The permissions that one tool, prompt or resource needs beyond the base; none if it does not exist."""
        kind, name = target
        if kind == "tool":
            tool = self._tools.get_tool(name)
            return declared(tool.fn) if tool else frozenset()
        if kind == "prompt":
            prompt = self._prompts.get_prompt(name)
            return declared(prompt.fn) if prompt else frozenset()
        return self._declared_by_uri(name)

    def label(self, operation: Operation) -> tuple[str, str]:
        """Method and target for a metric. A caller cannot create new label values."""
        method = operation.method if operation.method in _METHODS else OTHER
        if not operation.targets:
            return method, ""
        kind, name = operation.targets[0]
        if kind == "tool":
            registered = self._tools.get_tool(name) is not None
        else:
            registered = kind == "prompt" and self._prompts.get_prompt(name) is not None
        return method, name if registered else OTHER

    def all_permissions(self) -> frozenset[str]:
        """Every permission that any operation of this server needs."""
        return self.base.union(*(permissions for _, permissions in self.entries()))

    def entries(self) -> Iterator[tuple[Target, frozenset[str]]]:
        """Each tool, prompt, resource and template with the permissions that it needs beyond the base."""
        for tool in self._tools.list_tools():
            yield ("tool", tool.name), declared(tool.fn)
        for prompt in self._prompts.list_prompts():
            yield ("prompt", prompt.name), declared(prompt.fn)
        for resource in self._resources.list_resources():
            yield ("resource", str(resource.uri)), _declared_by_resource(resource)
        for template in self._resources.list_templates():
            yield ("resource", template.uri_template), declared(template.fn)

    def table(self) -> str:
        """The permissions of each tool, resource and prompt as a Markdown table."""
        return permissions_page(self.base, self.entries())

    def _declared_by_uri(self, uri: str) -> frozenset[str]:
        needed: frozenset[str] = frozenset()
        for resource in self._resources.list_resources():
            if str(resource.uri) == uri:
                needed |= _declared_by_resource(resource)
        # Every template that matches counts, not only the one that the SDK would use.
        for template in self._resources.list_templates():
            if uri == template.uri_template or _matches(template, uri):
                needed |= declared(template.fn)
        return needed


class PermissionMiddleware:
    """MCP server middleware: filters the lists for the caller, and checks each operation a second time.

    The gate has checked the request before. This check uses the operation as the SDK is about to execute it: if gate
    and SDK ever read a request differently, the call ends here.
    """

    def __init__(self, catalogue: Catalogue, hierarchy: Hierarchy, profile: Profile) -> None:
        self._catalogue = catalogue
        self._profile = profile
        self._hierarchy = hierarchy

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        token = get_access_token()
        if token is None:
            raise MCPError(INVALID_REQUEST, "Nobody is signed in.")
        operation = operation_of(ctx.method, ctx.params)
        if operation != current_operation.get() and not self._catalogue.needed(operation).issubset(token.scopes):
            logger.error("the gate let %s %r pass without its permission", operation.method, operation.name)
            raise MCPError(INVALID_REQUEST, "The token lacks a permission for this.")
        result = await call_next(ctx)
        if ctx.method not in _LISTS or result is None:  # a notification of that name has no result
            return result
        return self._filtered(_as_json(result), token, *_LISTS[ctx.method])

    def _filtered(
        self, result: dict[str, Any], token: AccessToken, member: str, kind: Kind, name: str
    ) -> dict[str, Any]:
        """The list without the entries that this caller can never use. Each entry names the permissions it needs."""
        reachable = self._reachable(token)
        listed = []
        for entry in result[member]:
            needed = self._catalogue.declared_by((kind, entry[name]))
            if reachable is None or needed <= reachable:
                listed.append(_with_permissions(entry, needed) if needed else entry)
        return {**result, member: listed}

    def _reachable(self, token: AccessToken) -> frozenset[str] | None:
        """The permissions that the caller has or could get; None if the token does not say which it could get."""
        acquirable = self._profile.acquirable(token.claims or {})
        return None if acquirable is None else self._hierarchy.expand(acquirable) | frozenset(token.scopes)


class OnDemandStreams(StreamableHTTPSessionManager):
    """The SDK's session manager. It answers with plain JSON unless the client asked for notifications.

    MCP streamable HTTP lets the server choose for each request (all revisions). Every HTTP client can read plain JSON.
    Notifications (progress, log messages) need an event stream.

    Args:
        sessions: keep sessions for clients of the handshake revisions, and answer each of them with an event stream.
            Without that a tool cannot ask such a client anything (sampling, elicitation, roots).
    """

    def __init__(self, server: Server[Any], security: TransportSecuritySettings, *, sessions: bool = False) -> None:
        super().__init__(server, stateless=not sessions, security_settings=security)
        if not sessions:
            # At a signal the library would cut every stream at once. Without sessions a stream ends with its call, and
            # running calls should finish.
            AppStatus.enable_automatic_graceful_drain = False

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request without the SDK's own size limit: the gate has read and measured the body."""
        await self._handle_request(scope, receive, send)

    @property
    def json_response(self) -> bool:
        """False while a request is handled that gets an event stream."""
        return self.stateless and not current_operation.get().wants_stream

    @json_response.setter
    def json_response(self, value: bool) -> None:
        """Ignore the value that the SDK's constructor sets."""


def _as_json(result: BaseModel | dict[str, Any]) -> dict[str, Any]:
    if isinstance(result, BaseModel):
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return result


def _with_permissions(entry: dict[str, Any], needed: frozenset[str]) -> dict[str, Any]:
    return {**entry, "_meta": {**entry.get("_meta", {}), META_KEY: sorted(needed)}}


def _declared_by_resource(resource: object) -> frozenset[str]:
    return declared(getattr(resource, "fn", None))


def _matches(template: ResourceTemplate, uri: str) -> bool:
    try:
        return template.matches(uri) is not None
    except ResourceSecurityError:
        return True
