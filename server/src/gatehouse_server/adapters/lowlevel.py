"""The adapter for the MCP SDK's low-level `Server`.

Its handlers decide themselves what they offer, so the permissions of single tools are in a table, or in what the list
handlers return: `gatehouse/permissions` in `_meta`. If an entry of a list has that, only listed names are offered.
`requires` on a handler, such as that of `tools/call`, counts for everything that the handler does.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.session import ServerSession
from mcp_types import INTERNAL_ERROR
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from pydantic import BaseModel
from starlette.requests import Request

from ..auth.gate import NotOffered, Refused
from ..auth.permission_table import PermissionTable
from ..auth.permissions import META_KEY, declared, stated_in_meta
from ..auth.request import Kind, Target
from .direct import Exchange
from .host import Guard, Served
from .lists import LISTS
from .sdk import serve_lowlevel
from .upstream.answers import error_answer

logger = logging.getLogger(__name__)

MAX_PAGES = 100
_METHODS: dict[Kind, tuple[str, ...]] = {
    "tool": ("tools/call",),
    "prompt": ("prompts/get", "completion/complete"),
    "resource": ("resources/read", "resources/subscribe", "resources/unsubscribe", "completion/complete"),
}
_LISTS: dict[Kind, tuple[str, ...]] = {
    kind: tuple(method for method, (_, listed, _) in LISTS.items() if listed == kind) for kind in _METHODS
}


class Listed(NamedTuple):
    """What the handlers list of one kind.

    Attributes:
        stated: the permissions in `_meta` by name or URI template.
        is_used: whether one of them has permissions there.
    """

    stated: dict[str, frozenset[str]]
    is_used: bool


class LowLevelAdapter:
    """The permissions that handlers state, and the server behind the gate.

    The list handlers are asked each time, for the caller of the request and without the server's middleware.
    """

    def __init__(self, server: Server[Any]) -> None:
        self._server = server
        self._states: list[Any] = []

    async def stated_by(self, targets: Sequence[Target], version: str = "") -> list[frozenset[str] | None]:
        """For each target the permissions that the handlers of its kind state; None if none states any.

        Raises:
            NotOffered: the lists of its kind state permissions, and do not have it.
            Refused: a list handler failed.
        """
        try:
            listed = {kind: await self._listed(kind) for kind in {kind for kind, _ in targets}}
        except Exception as error:
            logger.exception("a list handler failed: without it, the permissions in _meta are not known")
            answer = error_answer(503, INTERNAL_ERROR, "The server does not say which permissions this needs.")
            raise Refused("permissions_unavailable", answer) from error
        return [self._stated_by(target, listed[target[0]]) or None for target in targets]

    async def entries(self) -> AsyncIterator[tuple[Target, frozenset[str]]]:
        """For each kind `*` with the permissions that its handlers state, and what its lists state."""
        for kind in _METHODS:
            own = self._declared(kind)
            try:
                listed = await self._listed(kind)
            except Exception:
                logger.exception("the list of each %s failed: its permissions are not known", kind)
                listed = Listed({}, is_used=False)
            for name, stated in listed.stated.items() if listed.is_used else ():
                yield (kind, name), own | stated
            if own and not listed.is_used:
                yield (kind, "*"), own

    def serve(self, guard: Guard) -> Served:
        """The server behind the gate."""
        watched = copy.copy(self._server)
        watched.lifespan = self._lifespan
        return serve_lowlevel(watched, guard)

    @asynccontextmanager
    async def _lifespan(self, _: Server[Any]) -> AsyncIterator[Any]:
        async with self._server.lifespan(self._server) as state:
            self._states.append(state)
            try:
                yield state
            finally:
                self._states.remove(state)

    def _declared(self, kind: Kind) -> frozenset[str]:
        handlers = [self._server.get_request_handler(method) for method in _METHODS[kind]]
        return frozenset().union(*(declared(entry.handler) for entry in handlers if entry))

    def _stated_by(self, target: Target, listed: Listed) -> frozenset[str]:
        kind, name = target
        own = self._declared(kind)
        if not listed.is_used:
            return own
        if kind == "resource":
            stated = PermissionTable(resources=listed.stated).needed(target)
        else:
            stated = listed.stated.get(name)
        if stated is None:
            raise NotOffered(target)
        return own | stated

    async def _listed(self, kind: Kind) -> Listed:
        """What the server's handlers list now."""
        if all(self._server.get_request_handler(method) is None for method in _LISTS[kind]):
            return Listed({}, is_used=False)
        if self._states:
            return await self._list(kind, self._states[-1])
        async with self._server.lifespan(self._server) as state:  # for the page with the permissions
            return await self._list(kind, state)

    async def _list(self, kind: Kind, state: Any) -> Listed:  # noqa: ANN401 - the server's own
        stated: dict[str, frozenset[str]] = {}
        is_used = False
        for method in _LISTS[kind]:
            async for entry in self._entries(method, state):
                name = str(_member(entry, LISTS[method][2]))
                meta = _member(entry, "_meta")
                is_used = is_used or (isinstance(meta, Mapping) and META_KEY in meta)
                stated[name] = stated.get(name, frozenset()) | stated_in_meta(meta)
        return Listed(stated, is_used)

    async def _entries(self, method: str, state: Any) -> AsyncIterator[Any]:  # noqa: ANN401
        handler = self._server.get_request_handler(method)
        cursor: dict[str, Any] = {}
        request = Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []})
        for _ in range(MAX_PAGES if handler else 0):
            assert handler is not None
            connection = Connection.from_envelope(LATEST_HANDSHAKE_VERSION, None, None)
            context = ServerRequestContext(
                session=ServerSession(Exchange(0, request), connection),
                lifespan_context=state,
                protocol_version=LATEST_HANDSHAKE_VERSION,
                method=method,
                params=cursor,
                request_id=0,
                request=request,
            )
            page = await handler.handler(context, handler.params_type.model_validate(cursor))
            for entry in _member(page, LISTS[method][0]) or ():
                yield entry
            cursor = {"cursor": _member(page, "nextCursor")}
            if not cursor["cursor"]:
                return


def _member(value: object, name: str) -> Any:  # noqa: ANN401
    """The member of a model of the SDK, or of its JSON form."""
    if not isinstance(value, BaseModel):
        return value.get(name) if isinstance(value, Mapping) else None
    fields = type(value).model_fields
    return next((getattr(value, field) for field, each in fields.items() if name in (each.alias, field)), None)
