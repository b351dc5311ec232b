"""The audit trail: one JSON line per decision of the gate.

It names the caller, the operation, the decision and its reason, and holds no token and no header value.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO

from .operations import NO_MESSAGE, Operation

logger = logging.getLogger("gatehouse.audit")

ALLOWED = "allowed"
LONGEST_NAME = 128
"""Characters of a client-chosen name that reach the log."""


@dataclass(slots=True)
class Record:
    """What is written about one request.

    Attributes:
        request_id: letters, digits, `.`, `_` and `-`.
        reason: a code of the gate, not a text of the client.
        duration: seconds.
    """

    request_id: str
    decision: str = "refuse"
    reason: str = ""
    subject: str | None = None
    client: str | None = None
    operation: Operation = NO_MESSAGE
    missing: tuple[str, ...] = ()
    status: int = 0
    duration: float = 0.0


Trail = Callable[[Record], object]
"""Where records go."""


def to_logger(record: Record) -> None:
    """To the logger `gatehouse.audit`, at level INFO."""
    if logger.isEnabledFor(logging.INFO):
        logger.info(line_of(record))


def to_stream(stream: BinaryIO) -> Trail:
    """To that stream. The lines of one turn of the event loop are written together: under load most of their cost is
    the system call.
    """
    waiting: list[str] = []

    def write() -> None:
        lines = "".join(waiting).encode("ascii")
        waiting.clear()  # also when the stream fails: those that come later have a turn of their own
        stream.write(lines)
        stream.flush()

    def add(record: Record) -> None:
        if not waiting:
            asyncio.get_running_loop().call_soon(write)
        waiting.append(f"{line_of(record)}\n")

    return add


def line_of(record: Record) -> str:
    """The record as one line of JSON in ASCII, whatever names the client chose."""
    operation = record.operation
    missing = f'"missing": {json.dumps(record.missing)}, ' if record.missing else ""
    # Piece by piece: far faster than a dictionary through json.dumps, and this is on the way of every request. What is
    # not quoted is the gate's own: codes, and a request id that needs no quoting.
    return (
        f'{{"time": "{_timestamp(time.time())}", "request_id": "{record.request_id}", '
        f'"decision": "{record.decision}", "reason": "{record.reason}", '
        f"{_who(record.subject, record.client)}{_what(operation.method[:LONGEST_NAME], operation.name[:LONGEST_NAME])}"
        f'{missing}"status": {record.status}, "duration_ms": {record.duration * 1000:.2f}}}'
    )


@lru_cache(maxsize=1024)
def _who(subject: str | None, client: str | None) -> str:
    return _member("subject", subject) + _member("client", client)


@lru_cache(maxsize=1024)
def _what(method: str, target: str) -> str:
    return _member("operation", method) + _member("target", target)


def _member(name: str, text: str | None) -> str:
    return f'"{name}": {json.dumps(text)}, ' if text else ""


def _timestamp(now: float) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return f"{_to_the_second(int(now))}.{int(now * 1000) % 1000:03d}Z"


@lru_cache(maxsize=2)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
