"""The adapter for FastMCP 4."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from fastmcp import FastMCP
from fastmcp.exceptions import AuthorizationError
from fastmcp.prompts.base import Prompt
from fastmcp.resources.base import Resource
from fastmcp.resources.template import ResourceTemplate
from fastmcp.server.auth import AccessToken
from fastmcp.server.http import RequestContextMiddleware
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.server.middleware.tool_injection import ToolInjectionMiddleware
from fastmcp.server.providers.aggregate import AggregateProvider
from fastmcp.server.transforms.visibility import is_enabled
from fastmcp.tools.base import Tool
from fastmcp.utilities.versions import VersionSpec, dedupe_with_versions
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from ..auth.gate import NotOffered
from ..auth.permissions import declared, stated_in_meta
from ..auth.request import Kind, Operation, Target, current_operation, operation_of
from . import internals
from .host import Guard, Served
from .sdk import serve_lowlevel

Component = Tool | Prompt | Resource | ResourceTemplate

_guard: ContextVar[Guard | None] = ContextVar("guard", default=None)
"""That of the protected app which handles the current request."""


class FastMCPAdapter:
    """The permissions that a FastMCP server's functions state with `requires`, and the server behind the gate.

    Mounted servers and transformed tools keep the statements. So does `gatehouse/permissions` in the `meta` of a
    component, such as that of a proxied server.
    """

    def __init__(self, mcp: FastMCP[Any]) -> None:
        self._mcp = mcp

    async def stated_by(self, targets: Sequence[Target], version: str = "") -> list[frozenset[str] | None]:
        """For each target the permissions that its function states; None if there is no such target."""
        if len(targets) == 1:
            return [await self._stated_by(*targets[0], version)]
        listed: dict[Target, frozenset[str]] = {}
        for kind in {kind for kind, _ in targets}:
            listed |= {(kind, name): await _stated(each) for name, each in await self._list(kind)}
        return [listed[target] if target in listed else await self._stated_by(*target, version) for target in targets]

    async def entries(self) -> AsyncIterator[tuple[Target, frozenset[str]]]:
        """Each tool, prompt, resource and template with the permissions that its function states."""
        kinds: tuple[Kind, ...] = ("tool", "prompt", "resource")
        for kind in kinds:
            for name, component in await self._list(kind):
                yield (kind, name), await _stated(component)

    def serve(self, guard: Guard) -> Served:
        """The server behind the gate, with the routes of `custom_route`.

        Raises:
            ValueError: the server has its own authorization.
        """
        if self._mcp.auth is not None:
            raise ValueError("The FastMCP server has auth=..., and protect() replaces that: leave it out.")
        app = self._mcp.http_app(path=guard.path, stateless_http=not guard.sessions)
        served = serve_lowlevel(internals.lowlevel_server(self._mcp), guard)
        check = _SecondCheck(guard, self)

        @asynccontextmanager
        async def run() -> AsyncIterator[None]:
            self._mcp.add_middleware(check)
            try:
                async with served.run():
                    yield
            finally:
                self._mcp.middleware.remove(check)

        in_context: ASGIApp = RequestContextMiddleware(served.endpoint)  # type: ignore[no-untyped-call]
        endpoint = _InRequest(in_context, app, guard)
        paths = [
            f"{route.path}/{{rest:path}}" if isinstance(route, Mount) else getattr(route, "path", "")
            for route in app.routes
        ]
        others = _InRequest(app, app, guard)
        return replace(served, endpoint=endpoint, run=run, others=others, other_paths=_without(paths, guard.path))

    async def _stated_by(self, kind: Kind, name: str, version: str) -> frozenset[str] | None:
        found = [component for component in await self._find(kind, name, version) if component is not None]
        return frozenset().union(*[await _stated(component) for component in found]) if found else None

    async def _find(self, kind: Kind, name: str, version: str) -> Sequence[Component | None]:
        """What FastMCP would use. If that is nothing: what is hidden, because a session may be shown it."""
        spec = VersionSpec(eq=version) if version else None
        mcp = self._mcp
        if kind == "prompt":
            return [await mcp.get_prompt(name, spec) or await AggregateProvider.get_prompt(mcp, name, spec)]
        if kind == "tool":
            tool = await self.plain_tool(name, spec) or await mcp.get_tool(name, spec)
            if tool is None and (hashed := internals.hashed_tool_name(name)):
                tool = await mcp.get_tool_by_hash(*hashed)
            return [tool or await AggregateProvider.get_tool(mcp, name, spec)]
        template = await mcp.get_resource_template(name, spec)
        templates = [template or await AggregateProvider.get_resource_template(mcp, name, spec)]
        if "{" in name:  # a template's own text
            listed = await mcp.list_resource_templates(run_middleware=False)
            templates += [each for each in listed if each.uri_template == name]
        return [await mcp.get_resource(name, spec) or await AggregateProvider.get_resource(mcp, name, spec), *templates]

    async def plain_tool(self, name: str, spec: VersionSpec | None = None) -> Tool | None:
        """The tool, if only its registration decides about it. Any session can call this tool of that name, or none.

        `get_tool` of the server finds the same, but asks all providers in tasks of their own: a tenth of a call.
        """
        mcp, own = self._mcp, self._mcp.local_provider
        if (
            len(mcp.providers) != 1
            or mcp.providers[0] is not own
            or mcp.transforms
            or type(mcp).get_tool is not FastMCP.get_tool
            or any(isinstance(each, ToolInjectionMiddleware) for each in mcp.middleware)
        ):
            return None
        tool = await own.get_tool(name, spec)
        is_plain = tool is not None and tool.version is None and tool.auth is None and is_enabled(tool)
        return tool if is_plain else None

    async def _list(self, kind: Kind) -> list[tuple[str, Component]]:
        """What the server lists, without its middleware, by name."""
        if kind == "tool":
            tools = await self._mcp.list_tools(run_middleware=False)
            return [(tool.name, tool) for tool in dedupe_with_versions(list(tools), lambda tool: tool.name)]
        if kind == "prompt":
            prompts = await self._mcp.list_prompts(run_middleware=False)
            return [(prompt.name, prompt) for prompt in dedupe_with_versions(list(prompts), lambda each: each.name)]
        resources = await self._mcp.list_resources(run_middleware=False)
        templates = await self._mcp.list_resource_templates(run_middleware=False)
        return [
            *((str(each.uri), each) for each in dedupe_with_versions(list(resources), lambda each: str(each.uri))),
            *((each.uri_template, each) for each in dedupe_with_versions(list(templates), lambda t: t.uri_template)),
        ]


class _SecondCheck(Middleware):
    """FastMCP middleware that checks an operation again, with what the caller's session sees.

    It checks what a tool calls through the server (such as the tools of a search transform), and what a session may see
    in another version than the gate has found. It does nothing for requests that do not come through the gate of its
    app.
    """

    def __init__(self, guard: Guard, adapter: FastMCPAdapter) -> None:
        self._guard = guard
        self._adapter = adapter

    async def __call__(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:  # noqa: ANN401
        if _guard.get() is self._guard and context.method is not None:
            message = context.message
            params = {name: _text(getattr(message, name, None)) for name in ("name", "uri")}
            operation = operation_of(context.method, {**params, "_meta": getattr(message, "meta", None)})
            if operation.targets and not await self._is_checked(operation):
                await self._check(operation)
        return await call_next(context)

    async def _is_checked(self, operation: Operation) -> bool:
        """Whether the gate has checked exactly what is about to run."""
        allowed = current_operation.get()
        if (operation.targets, operation.version) != (allowed.targets, allowed.version):
            return False
        ((kind, name),) = operation.targets
        return kind == "tool" and not operation.version and await self._adapter.plain_tool(name) is not None

    async def _check(self, operation: Operation) -> None:
        token = get_access_token()
        try:
            needed = (await self._guard.catalogue.needed(operation)).permissions
        except NotOffered as error:
            raise AuthorizationError(str(error)) from error
        if token is None or not needed.issubset(token.scopes):
            raise AuthorizationError(f"The token lacks a permission for {operation.name!r}.")


class _InRequest:
    """Sets what FastMCP reads from a request: its own app, its own form of the caller, and the gate of the request."""

    def __init__(self, inner: ASGIApp, app: Starlette, guard: Guard) -> None:
        self._inner = inner
        self._app = app
        self._guard = guard
        self._users: WeakKeyDictionary[AuthenticatedUser, AuthenticatedUser] = WeakKeyDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _guard.set(self._guard)
        scope["app"] = self._app
        scope["user"] = self._users.get(scope["user"]) or self._converted(scope["user"])
        await self._inner(scope, receive, send)

    def _converted(self, user: AuthenticatedUser) -> AuthenticatedUser:
        """The user with FastMCP's kind of token. Otherwise FastMCP converts the token several times in each call."""
        token = dict(user.access_token)
        converted = AuthenticatedUser(AccessToken(**{**token, "claims": token["claims"] or {}}))
        self._users[user] = converted
        return converted


async def _stated(component: Component) -> frozenset[str]:
    """The permissions that the component's function states, or what it stands for: a mounted or transformed one."""
    found = declared(getattr(component, "fn", None)) | stated_in_meta(component.meta)
    if (parent := getattr(component, "parent_tool", None)) is not None:
        found |= await _stated(parent)
    if (origin := internals.mounted_origin(component)) is not None:
        server, name = origin
        kind: Kind = (
            "tool" if isinstance(component, Tool) else "prompt" if isinstance(component, Prompt) else "resource"
        )
        found |= await FastMCPAdapter(server)._stated_by(kind, name, component.version or "") or frozenset()
    return found


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _without(paths: list[str], path: str) -> tuple[str, ...]:
    return tuple(each for each in paths if each and each != path)
