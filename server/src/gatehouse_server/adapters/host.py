"""What an adapter gives to the composition: the MCP endpoint, further routes, and their lifespan."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from .catalogue import Catalogue, Offered
from .lists import ListFilter


@dataclass(frozen=True)
class Guard:
    """What an adapter needs to serve behind the gate.

    Attributes:
        security: the accepted Host and Origin headers.
        path: of the MCP endpoint.
        sessions: whether clients of the handshake revisions have sessions.
    """

    catalogue: Catalogue
    lists: ListFilter
    security: TransportSecuritySettings
    path: str
    sessions: bool


@dataclass(frozen=True)
class Served:
    """A server that is ready to run behind the gate.

    Attributes:
        endpoint: answers the MCP requests that the gate allowed.
        run: the lifespan.
        others: answers further paths, which are also behind the gate.
        other_paths: those paths, as Starlette's routes have them.
        streams_any: whether the endpoint may answer any request with an event stream.
    """

    endpoint: ASGIApp
    run: Callable[[], AbstractAsyncContextManager[None]]
    others: ASGIApp | None = None
    other_paths: tuple[str, ...] = ()
    streams_any: bool = False


class Adapter(Offered, Protocol):
    """The adapter for one server."""

    def serve(self, guard: Guard) -> Served:
        """The server behind the gate. The server object itself stays as it is."""
        ...
