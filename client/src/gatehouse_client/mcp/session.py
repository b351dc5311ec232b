"""An authorised MCP client: signed in when needed, with errors that say what happened."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx2
import mcp_types as types
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.inbound import MCP_METHOD_HEADER, MCP_PROTOCOL_VERSION_HEADER
from mcp_types.version import LATEST_MODERN_VERSION

from .. import __version__
from ..account import Account, SignedAuth
from ..errors import ToolError, UnreachableError, foreign
from ..settings import Settings
from ..signin.flows.flow import Say
from ..signin.http.network import authorities
from ..signin.http.trace import Trace
from ..signin.http_outcome import record_status
from .explain import explaining_errors

CLIENT_INFO: Final = types.Implementation(name="gatehouse", version=__version__)
_CONNECT_TIMEOUT: Final = 30.0  # seconds
_MAX_PAGES: Final = 100


Answer = Callable[[types.ElicitRequestParams], Coroutine[Any, Any, types.ElicitResult]]
"""Answers what a server asks during a call."""


@dataclass(frozen=True)
class Connection:
    """A server that has been reached and has let us in. Sessions are opened from it, by us and by the agent.

    Attributes:
        discovered: the server's answer to `server/discover` (revision 2026-07-28); None from older servers.
        timeout: seconds that the server may be silent.
        ca_file: authorities to trust besides the usual ones.
    """

    url: str
    auth: SignedAuth
    trace: Trace
    timeout: float
    ca_file: Path | None = None
    discovered: types.DiscoverResult | None = None

    @property
    def mode(self) -> str:
        """How the SDK's clients are to negotiate; what was discovered need not be asked again."""
        return LATEST_MODERN_VERSION if self.discovered else "auto"

    def http_client(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
        **_: object,
    ) -> httpx2.AsyncClient:
        """The one kind of HTTP client for MCP requests. FastMCP calls it with settings of its own: ours hold."""
        del timeout, auth
        hooks = self.trace.hooks()
        return httpx2.AsyncClient(
            auth=self.auth,
            verify=authorities(self.ca_file),
            headers=headers,
            timeout=httpx2.Timeout(_CONNECT_TIMEOUT, read=self.timeout),
            follow_redirects=False,
            event_hooks={**hooks, "response": [*hooks["response"], record_status]},
        )

    @asynccontextmanager
    async def session(self, answer: Answer | None = None) -> AsyncGenerator[Session]:
        """An open session.

        Args:
            answer: answers what the server asks during a call (elicitation); None tells it that nobody can.

        Raises:
            GatehouseError: from here and from the body, in place of what the SDK raises.
        """
        with explaining_errors(self.url):
            async with self.http_client() as http:
                client = Client(
                    streamable_http_client(self.url, http_client=http),
                    mode=self.mode,
                    prior_discover=self.discovered,
                    client_info=CLIENT_INFO,
                    elicitation_callback=(lambda _, params: answer(params)) if answer else None,
                    cache=None,
                )
                async with client:
                    yield Session(client)


@dataclass(frozen=True)
class Session:
    """What the commands need of an MCP session."""

    client: Client

    async def tools(self) -> list[types.Tool]:
        """Every tool, of all pages."""
        tools: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            page = await self.client.list_tools(cursor=cursor)
            tools += page.tools
            cursor = page.next_cursor
            if not cursor:
                break
        return tools

    async def call(
        self, name: str, arguments: dict[str, Any], progress: ProgressFnT | None = None
    ) -> types.CallToolResult:
        """Call a tool.

        Args:
            progress: told how far the tool is, if it says so.

        Raises:
            ToolError: the tool reports a failure, or its result is not what its schema promises.
        """
        try:
            result = await self.client.call_tool(name, arguments, progress_callback=progress)
        except RuntimeError as error:
            raise ToolError(f"The result of {name} cannot be used: {foreign(str(error))}") from error
        if result.is_error:
            raise ToolError(f"{name} failed: {foreign(failure(name, text_of(result)), 2000) or 'it did not say why'}")
        return result


async def connect(settings: Settings, say: Say, trace: Trace, *, force: bool = False) -> Connection:
    """Reach the server, signing in when it asks for it and nothing stored will do.

    The sign-in happens here, before any session, because the SDK gives a person ten seconds.

    Args:
        force: sign in anew, whatever is stored.

    Raises:
        SignInError, ForbiddenError, UnreachableError, ConfigurationError.
    """
    auth = Account.from_settings(settings, say, trace).auth(ignore_stored=force)
    connection = Connection(settings.mcp_public_url, auth, trace, settings.mcp_timeout, settings.auth0_ca_file)
    with explaining_errors(connection.url) as witness:
        async with connection.http_client() as http:
            response = await http.post(connection.url, json=_DISCOVER, headers=_DISCOVER_HEADERS)
        if witness.error is not None:
            raise witness.error
        if response.status_code == 429 or response.status_code >= 500:
            raise UnreachableError(f"{connection.url} cannot serve now: it answered {_said(response)}.")
    return replace(connection, discovered=_discovered(response))


_DISCOVER: Final = types.JSONRPCRequest(
    jsonrpc="2.0",
    id="discover",
    method="server/discover",
    params={
        "_meta": {
            types.PROTOCOL_VERSION_META_KEY: LATEST_MODERN_VERSION,
            types.CLIENT_INFO_META_KEY: CLIENT_INFO.model_dump(by_alias=True, mode="json", exclude_none=True),
            types.CLIENT_CAPABILITIES_META_KEY: {},
        }
    },
).model_dump(by_alias=True, mode="json", exclude_none=True)
_DISCOVER_HEADERS: Final = {
    "Accept": "application/json, text/event-stream",
    MCP_PROTOCOL_VERSION_HEADER: LATEST_MODERN_VERSION,
    MCP_METHOD_HEADER: "server/discover",
}


def _discovered(response: httpx2.Response) -> types.DiscoverResult | None:
    """What a server of the modern era answers; anything else is left to the SDK's own negotiation."""
    try:
        result = types.DiscoverResult.model_validate(response.json()["result"])
    except (ValueError, KeyError, TypeError):
        return None
    return result if LATEST_MODERN_VERSION in result.supported_versions else None


def _said(response: httpx2.Response) -> str:
    detail = foreign(response.text, 200)
    return f"{response.status_code} ({detail})" if detail else str(response.status_code)


def failure(name: str, text: str) -> str:
    """A tool's words about its failure, without what servers of the MCP SDK put before them."""
    return text.removeprefix(f"Error executing tool {name}: ")


def text_of(result: types.CallToolResult) -> str:
    """The text of a result."""
    return "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))
