"""The adapter for the MCP SDK's low-level `Server`.

Its handlers decide themselves what they offer, so the permissions of single tools are in a table. `requires` on a
handler, such as that of `tools/call`, counts for everything that the handler does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from mcp.server.lowlevel.server import Server

from ..auth.permissions import declared
from ..auth.request import Kind, Target
from .host import Guard, Served
from .sdk import serve_lowlevel

_METHODS: dict[Kind, tuple[str, ...]] = {
    "tool": ("tools/call",),
    "prompt": ("prompts/get", "completion/complete"),
    "resource": ("resources/read", "resources/subscribe", "resources/unsubscribe", "completion/complete"),
}


class LowLevelAdapter:
    """The permissions that handlers state with `requires`, and the server behind the gate."""

    def __init__(self, server: Server[Any]) -> None:
        self._server = server

    async def stated_by(self, targets: Sequence[Target], version: str = "") -> list[frozenset[str] | None]:
        """For each target the permissions that the handlers of its kind state; None if none states any."""
        return [self._stated_by(kind) or None for kind, _ in targets]

    async def entries(self) -> AsyncIterator[tuple[Target, frozenset[str]]]:
        """For each kind `*` with the permissions that its handlers state."""
        for kind in _METHODS:
            if stated := self._stated_by(kind):
                yield (kind, "*"), stated

    def serve(self, guard: Guard) -> Served:
        """The server behind the gate."""
        return serve_lowlevel(self._server, guard)

    def _stated_by(self, kind: Kind) -> frozenset[str]:
        handlers = [self._server.get_request_handler(method) for method in _METHODS[kind]]
        return frozenset().union(*(declared(entry.handler) for entry in handlers if entry))
