"""The connection to the MCP server: it signs in when needed, and its errors say what happened."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx2
import mcp_types as types
from mcp import MCPError
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.inbound import MCP_METHOD_HEADER, MCP_PROTOCOL_VERSION_HEADER
from mcp_types.version import LATEST_MODERN_VERSION
from pydantic import ValidationError

from .. import __version__
from ..account import Account, SignedAuth
from ..errors import GatehouseError, Party, ToolError, UnreachableError
from ..foreign_text import foreign
from ..settings import Settings
from ..signin.flows.flow import Say
from ..signin.http.network import authorities
from ..signin.http.proxies import proxy_for
from ..signin.http.trace import Trace
from ..signin.http_outcome import record_failure, record_status
from .explain import explaining_errors, is_own_fault
from .telemetry import pass_on
from .tool_list import dropping_invalid_tools

CLIENT_INFO: Final = types.Implementation(name="gatehouse", version=__version__)
_CONNECT_TIMEOUT: Final = 30.0  # seconds
_MAX_PAGES: Final = 100


Answer = Callable[[types.ElicitRequestParams], Coroutine[Any, Any, types.ElicitResult]]
"""Answers a question of the server during a call (elicitation)."""


@dataclass(frozen=True)
class Connection:
    """A server that accepted a request. The commands and the agent open sessions from it.

    Attributes:
        discovered: the server's answer to `server/discover` (revision 2026-07-28); None from older servers.
        timeout: seconds that the server may be silent.
        left_out: the tools that are not valid MCP, and why, by name, of the lists that were read so far.
        ca_file: certificate authorities to trust in addition to the usual ones.
    """

    url: str
    auth: SignedAuth
    trace: Trace
    timeout: float
    ca_file: Path | None = None
    discovered: types.DiscoverResult | None = None
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def mode(self) -> str:
        """How the SDK's client negotiates. It need not ask again for what was discovered."""
        return LATEST_MODERN_VERSION if self.discovered else "auto"

    def http_client(self) -> httpx2.AsyncClient:
        """The HTTP client for all MCP requests."""
        hooks, trusted, proxy = self.trace.hooks(), authorities(self.ca_file), proxy_for(self.url)
        received = [*hooks["response"], record_status, dropping_invalid_tools(self._leave_out)]
        return _HttpClient(
            auth=self.auth,
            verify=trusted,
            proxy=proxy.settings(trusted) if proxy else None,
            trust_env=False,
            timeout=httpx2.Timeout(_CONNECT_TIMEOUT, read=self.timeout),
            follow_redirects=False,
            event_hooks={"request": [*hooks["request"], pass_on], "response": received},
        )

    def _leave_out(self, name: str, reason: str) -> None:
        self.left_out[name] = reason

    @asynccontextmanager
    async def session(self, answer: Answer | None = None) -> AsyncGenerator[Session]:
        """An open session.

        Args:
            answer: answers the server's questions during a call (elicitation); None tells the server that there is no
                elicitation.

        Raises:
            GatehouseError: from here and from the body, in place of the SDK's errors.
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


class _HttpClient(httpx2.AsyncClient):
    """Records a failed exchange with the MCP server, because the SDK reduces it to "Connection closed"."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:  # noqa: ANN401 - httpx2's own
        try:
            return await super().send(request, **options)
        except httpx2.TransportError as error:
            record_failure(error)
            raise


@dataclass(frozen=True)
class Session:
    """An open MCP session."""

    client: Client

    async def tools(self) -> list[types.Tool]:
        """All tools, of all pages."""
        tools: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            with _unusable_answers("The list of tools"):
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
            progress: gets the progress of the tool, if the server reports it.

        Raises:
            ToolError: the tool reports a failure, or its result does not match its output schema.
        """
        result = await self.result(name, arguments, progress)
        if result.is_error:
            raise ToolError(f"{name} failed: {foreign(failure(name, text_of(result)), 2000) or 'it did not say why'}")
        return result

    async def result(
        self, name: str, arguments: dict[str, Any], progress: ProgressFnT | None = None
    ) -> types.CallToolResult:
        """The result of a tool, also if the tool reports a failure (`is_error`). The rest is as `call`."""
        with _unusable_answers(f"The result of {foreign(name)}"):
            return await self.client.call_tool(name, arguments, progress_callback=progress)


@contextmanager
def _unusable_answers(what: str) -> Generator[None]:
    """A `ToolError` for an answer that the SDK cannot use: for unexpected schemas it raises many kinds of errors."""
    try:
        yield
    except (GatehouseError, MCPError, httpx2.HTTPError, ExceptionGroup, ValidationError):
        raise  # `explaining_errors` knows the cause
    except Exception as error:
        if is_own_fault(error):
            raise
        detail = foreign(str(error)) or type(error).__name__
        raise ToolError(f"{what} cannot be used: {detail}") from error


async def connect(
    settings: Settings, say: Say, trace: Trace, *, force: bool = False, interactive: bool = True
) -> Connection:
    """Connect to the server, and sign in if the server asks for it and no stored sign-in is valid.

    The sign-in is here, before any session, because the SDK would give the person only ten seconds.

    Args:
        force: sign in again, even if a sign-in is stored.
        interactive: whether a person can sign in; False raises `NotSignedIn` in place of a sign-in.

    Raises:
        SignInError, ForbiddenError, UnreachableError, ConfigurationError.
    """
    auth = Account.from_settings(settings, say, trace).auth(ignore_stored=force, interactive=interactive)
    connection = Connection(settings.mcp_public_url, auth, trace, settings.mcp_timeout, settings.auth0_ca_file)
    with explaining_errors(connection.url) as outcome:
        async with connection.http_client() as http:
            response = await http.post(connection.url, json=_DISCOVER, headers=_DISCOVER_HEADERS)
        if outcome.error is not None:
            raise outcome.error
        if response.status_code == 429 or response.status_code >= 500:
            raise UnreachableError(
                f"The {Party.SERVER} {connection.url} cannot serve now: it answered {_shown(response)}.", Party.SERVER
            )
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
    """The answer of a server with `server/discover`; None from others, for which the SDK negotiates."""
    try:
        result = types.DiscoverResult.model_validate(response.json()["result"])
    except (ValueError, KeyError, TypeError):
        return None
    return result if LATEST_MODERN_VERSION in result.supported_versions else None


def _shown(response: httpx2.Response) -> str:
    detail = foreign(response.text, 200)
    return f"{response.status_code} ({detail})" if detail else str(response.status_code)


def failure(name: str, text: str) -> str:
    """A tool's error text, without the prefix that servers with the MCP SDK add."""
    return text.removeprefix(f"Error executing tool {name}: ")


def text_of(result: types.CallToolResult) -> str:
    """The text of a result."""
    return "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))
