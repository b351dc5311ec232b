"""What HTTP said during a call. The MCP SDK reduces a final 401, 403 or 503 to "Server returned an error response"."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import httpx2

from ..errors import GatehouseError


@dataclass
class HttpOutcome:
    """The outcome of the HTTP requests of a call.

    Attributes:
        error: the error of the sign-in, which explains the server's answer.
        failure: the error of the last exchange with the server, if there was no answer.
        status: the status of the server's last answer; None if it was a success.
    """

    error: GatehouseError | None = None
    failure: httpx2.TransportError | None = None
    status: int | None = None


_current: ContextVar[HttpOutcome | None] = ContextVar("http_outcome", default=None)


@contextmanager
def recording_outcome() -> Generator[HttpOutcome]:
    """Record the outcome of requests in this context and in the tasks that it starts.

    (The SDK's transport runs each request in the context of the task that made it.)
    """
    outcome = HttpOutcome()
    token = _current.set(outcome)
    try:
        yield outcome
    finally:
        _current.reset(token)


def record_error(error: GatehouseError) -> None:
    """Record the error that explains the server's answer."""
    outcome = _current.get()
    if outcome is not None:
        outcome.error = error


def record_failure(error: httpx2.TransportError) -> None:
    """Record that the server did not answer."""
    outcome = _current.get()
    if outcome is not None:
        outcome.failure = error


async def record_status(response: httpx2.Response) -> None:
    """A response hook for the `httpx2.AsyncClient` of the MCP transport."""
    outcome = _current.get()
    if outcome is not None:
        outcome.failure = None
        outcome.status = None if response.is_success else response.status_code
