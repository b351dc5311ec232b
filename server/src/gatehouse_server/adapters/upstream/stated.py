"""The permissions that the upstream itself states, in `_meta` of its tools, prompts, resources and templates.

The gate lists them as itself, keeps the answer for a short time, and lists again for a name that it does not know. What
states no permissions is not offered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, METHOD_NOT_FOUND
from pydantic import BaseModel

from ...auth.gate import Refused
from ...auth.permission_table import PermissionTable
from ...auth.request import Kind, Target
from .answers import error_answer, first_reason
from .catalogue import CarefulTable
from .identity import Identity
from .lists import META_KEY, stated_in

logger = logging.getLogger(__name__)

FRESH_SECONDS = 30.0
"""How long a list counts."""
STALE_SECONDS = 600.0
"""How long it counts if the upstream does not answer."""
UNKNOWN_SECONDS = 2.0
"""Unknown names cause at most one new list in this time."""
LIST_SECONDS = 10.0
MAX_PAGES = 100
MAX_ANSWER_BYTES = 8 * 1024 * 1024

_SECTIONS: dict[Kind, str] = {"tool": "tools", "prompt": "prompts", "resource": "resources"}


class Lists(Protocol):
    """Something that lists what the upstream offers."""

    def __call__(self) -> Awaitable[list[tuple[Target, Mapping[str, Any]]]]:
        """Each name with its `_meta`.

        Raises:
            ListFailed: the upstream does not answer.
        """
        ...


class ListFailed(Exception):
    """The upstream gives no list. The message says why, for the log."""


class StatedByUpstream:
    """The permissions in `_meta`.

    Args:
        listed: lists what the upstream offers.
        clock: seconds.
    """

    def __init__(self, listed: Lists, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._listed = listed
        self._clock = clock
        self._table = CarefulTable(PermissionTable())
        self._listed_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    def needed(self, target: Target) -> frozenset[str] | None:
        """The permissions that the target needs beyond the base, as listed last; None if it states none."""
        return self._table.needed(target)

    @property
    def names(self) -> frozenset[Target]:
        """The names that the last list states permissions for."""
        return self._table.names

    def entries(self) -> Iterator[tuple[Target, frozenset[str]]]:
        """Each name that states permissions."""
        return self._table.entries()

    async def prepare(self, targets: Iterable[Target]) -> None:
        """List again if the last list is too old, or does not have one of the targets.

        Raises:
            Refused: there is no list that counts.
        """
        if not self._is_enough(targets):
            async with self._lock:
                if not self._is_enough(targets):
                    await self._try_refresh()
        if self._clock() - self._listed_at > STALE_SECONDS:
            problem = "The server behind the gate does not say which permissions this needs: try again later."
            answer = error_answer(503, INTERNAL_ERROR, problem, headers={"Retry-After": "2"})
            raise Refused("permissions_unavailable", answer)

    def _is_enough(self, targets: Iterable[Target]) -> bool:
        now = self._clock()
        if now - self._tried_at < UNKNOWN_SECONDS:
            return True
        is_fresh = now - self._listed_at < FRESH_SECONDS
        return is_fresh and all(self.needed(target) is not None for target in targets)

    async def _try_refresh(self) -> None:
        try:
            await self.refresh()
        except ListFailed as error:
            logger.warning("the upstream does not list what it offers: %s", error)

    async def refresh(self) -> None:
        """List what the upstream offers.

        Raises:
            ListFailed: it does not answer. What was listed before stays.
        """
        self._tried_at = self._clock()
        entries = await self._listed()
        sections: dict[str, dict[str, frozenset[str]]] = {section: {} for section in _SECTIONS.values()}
        for (kind, name), meta in entries:
            own = stated_in(meta)
            if own is None or (kind != "resource" and "*" in name):
                logger.warning("the upstream's %s %r states no permissions in _meta %r", kind, name[:128], META_KEY)
            else:
                section = sections[_SECTIONS[kind]]
                section[name] = section.get(name, frozenset()) | own
        self._table = CarefulTable(PermissionTable(**sections))
        self._listed_at = self._clock()


def lists_of(url: str, transport: httpx2.AsyncBaseTransport, identity: Identity) -> Lists:
    """Lists what the server at the URL offers, as the gate itself."""

    async def listed() -> list[tuple[Target, Mapping[str, Any]]]:
        headers = [(name.decode(), value.decode()) for name, value in identity.headers(None)]
        try:
            async with (
                asyncio.timeout(LIST_SECONDS),
                httpx2.AsyncClient(transport=_OwnRequests(transport), headers=headers, timeout=LIST_SECONDS) as http,
                Client(streamable_http_client(url, http_client=http), cache=None) as client,
            ):
                return [entry async for entry in _entries(client)]
        except* (MCPError, httpx2.HTTPError, TimeoutError, ListFailed, ValueError, OSError) as group:
            raise ListFailed(first_reason(group)) from None

    return listed


async def _entries(client: Client) -> AsyncIterator[tuple[Target, Mapping[str, Any]]]:
    async for tool in _pages(client.list_tools, "tools"):
        yield ("tool", tool.name), tool.meta or {}
    async for prompt in _pages(client.list_prompts, "prompts"):
        yield ("prompt", prompt.name), prompt.meta or {}
    async for resource in _pages(client.list_resources, "resources"):
        yield ("resource", str(resource.uri)), resource.meta or {}
    async for template in _pages(client.list_resource_templates, "resource_templates"):
        yield ("resource", template.uri_template), template.meta or {}


async def _pages(call: Callable[..., Awaitable[BaseModel]], member: str) -> AsyncIterator[Any]:
    cursor = None
    for _ in range(MAX_PAGES):
        try:
            page = await call(cursor=cursor)
        except MCPError as error:
            if error.code == METHOD_NOT_FOUND and cursor is None:
                return  # it offers none
            raise
        for entry in getattr(page, member):
            yield entry
        cursor = getattr(page, "next_cursor", None)
        if not cursor:
            return
    raise ListFailed(f"it has more than {MAX_PAGES} pages of {member}")


class _OwnRequests(httpx2.AsyncBaseTransport):
    """The gate's own requests over a shared transport: bounded answers, no redirects, and the transport stays open."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        reset = auth_context_var.set(None)  # not for the caller whose request needs the list
        try:
            response = await self._transport.handle_async_request(request)
        finally:
            auth_context_var.reset(reset)
        if 300 <= response.status_code < 400:
            await response.aclose()
            raise httpx2.RemoteProtocolError("a redirect, which is not followed", request=request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream)
        return response


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise httpx2.RemoteProtocolError("its answer is too long")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
