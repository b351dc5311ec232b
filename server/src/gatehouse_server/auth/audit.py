"""The audit trail: one JSON line per decision of the gate.

Each line has the caller, the operation, the decision and its reason. No line has a token or a header value.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO

from .request import NO_MESSAGE, Operation

logger = logging.getLogger("gatehouse.audit")

ALLOWED = "allowed"
LONGEST_NAME = 128
"""Characters of a name that the client chose. The rest of the name is not logged."""


@dataclass(slots=True)
class AuditRecord:
    """The record of one request.

    Attributes:
        request_id: letters, digits, `.`, `_` and `-`. The answer has it in `X-Request-Id`.
        decision: `allow` or `refuse`.
        reason: a code of the gate, never text from the client.
        subject: the caller's id at the issuer; None if the token was not accepted.
        client: the client that the token was issued to; None if it was not accepted.
        operation: what the request asked for.
        missing: the permissions that the token lacks.
        status: of the HTTP answer; 0 if there was none.
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


AuditTrail = Callable[[AuditRecord], object]
"""A function that writes a record somewhere."""


def audit_to_logger(record: AuditRecord) -> None:
    """Write the record to the logger `gatehouse.audit`, at level INFO.

    If only rich would show it, the line goes to standard error as it is: rich breaks long lines, and takes three times
    as long for one as the whole call. The MCP SDK chooses rich when it is installed (`mcp[cli]`).
    """
    if logger.isEnabledFor(logging.INFO):
        line = line_of(record)
        if _is_only_shown_by_rich():
            sys.stderr.write(f"{line}\n")
        else:
            logger.info(line)


def audit_to_stream(stream: BinaryIO) -> AuditTrail:
    """An audit trail that writes to the stream, one JSON object a line. It needs a running event loop.

    The lines of one turn of the event loop are written together: under load, most of their cost is the system call.
    """
    waiting: list[str] = []

    def write() -> None:
        lines = "".join(waiting).encode("ascii")
        waiting.clear()  # also if the stream fails: the next line then schedules a new write
        stream.write(lines)
        stream.flush()

    def add(record: AuditRecord) -> None:
        if not waiting:
            asyncio.get_running_loop().call_soon(write)
        waiting.append(f"{line_of(record)}\n")

    return add


def line_of(record: AuditRecord) -> str:
    """The record as one line of JSON in ASCII, for any names that the client chose."""
    operation = record.operation
    missing = f'"missing": {json.dumps(record.missing)}, ' if record.missing else ""
    # This runs for every request, and is much faster than json.dumps of a dictionary. Codes and the request id need no
    # quoting.
    return (
        f'{{"time": "{_timestamp(time.time())}", "request_id": "{record.request_id}", '
        f'"decision": "{record.decision}", "reason": "{record.reason}", '
        f"{_caller_members(record.subject, record.client)}"
        f"{_operation_members(operation.method[:LONGEST_NAME], operation.name[:LONGEST_NAME])}"
        f'{missing}"status": {record.status}, "duration_ms": {record.duration * 1000:.2f}}}'
    )


def _is_only_shown_by_rich() -> bool:
    handlers = logging.root.handlers
    return len(handlers) == 1 and type(handlers[0]).__module__ == "rich.logging" and not logger.handlers


@lru_cache(maxsize=1024)
def _caller_members(subject: str | None, client: str | None) -> str:
    return _member("subject", subject) + _member("client", client)


@lru_cache(maxsize=1024)
def _operation_members(method: str, target: str) -> str:
    return _member("operation", method) + _member("target", target)


def _member(name: str, text: str | None) -> str:
    return f'"{name}": {json.dumps(text)}, ' if text else ""


def _timestamp(now: float) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return f"{_seconds_part(int(now))}.{int(now * 1000) % 1000:03d}Z"


@lru_cache(maxsize=2)
def _seconds_part(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
