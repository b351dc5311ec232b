"""The audit trail: one JSON line per decision of the gate.

It names the caller, the operation, the decision and its reason, and holds no token and no header value.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from .operations import NO_MESSAGE, Operation

logger = logging.getLogger("gatehouse.audit")

ALLOWED = "allowed"
LONGEST_NAME = 128
"""Characters of a client-chosen name that reach the log."""


@dataclass
class Record:
    """What is written about one request. `duration` is seconds."""

    request_id: str
    decision: str = "refuse"
    reason: str = ""
    subject: str | None = None
    client: str | None = None
    operation: Operation = NO_MESSAGE
    missing: tuple[str, ...] = ()
    status: int = 0
    duration: float = 0.0


def write(record: Record) -> None:
    """Write the record as one line, at level INFO."""
    if not logger.isEnabledFor(logging.INFO):
        return
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request_id": record.request_id,
        "decision": record.decision,
        "reason": record.reason,
        "subject": record.subject,
        "client": record.client,
        "operation": record.operation.method[:LONGEST_NAME],
        "target": record.operation.name[:LONGEST_NAME],
        "missing": record.missing,
        "status": record.status,
        "duration_ms": round(record.duration * 1000, 2),
    }
    logger.info(json.dumps({name: value for name, value in line.items() if value not in (None, "", ())}))
