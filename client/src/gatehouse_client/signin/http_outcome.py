"""What HTTP said during a call. The MCP SDK reduces a final 401, 403 or 503 to "Server returned an error response"."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import httpx2

from ..errors import GatehouseError

_current: ContextVar[HttpOutcome | None] = ContextVar("witness", default=None)


@dataclass
class HttpOutcome:
    """What was seen.

    Attributes:
        error: what the sign-in found, the reason for everything that followed.
        status: of the last answer of the server that was not a success.
    """

    error: GatehouseError | None = None
    status: int | None = None


@contextmanager
def recording_outcome() -> Generator[HttpOutcome]:
    """Collect what happens in this context and in the tasks that are started or messaged from it.

    (The SDK's transport runs each request in the context of the task that made it.)
    """
    witness = HttpOutcome()
    token = _current.set(witness)
    try:
        yield witness
    finally:
        _current.reset(token)


def record_error(error: GatehouseError) -> None:
    """Record the reason for what the server's answer will lead to."""
    witness = _current.get()
    if witness is not None:
        witness.error = error


async def watch(response: httpx2.Response) -> None:
    """A response hook for the `httpx2.AsyncClient` of the MCP transport."""
    witness = _current.get()
    if witness is not None:
        witness.status = None if response.is_success else response.status_code
