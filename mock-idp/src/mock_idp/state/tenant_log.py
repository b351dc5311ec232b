"""The tenant's log with Auth0's event type codes (Auth0: Log Event Type Codes)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import Refusal
from ..explanations import Case
from ..tenant.model import Client, User
from .clock import Clock

MAX_EVENTS = 1000
# By grant type: the codes of a successful and of a failed exchange.
EXCHANGES = {
    "authorization_code": ("seacft", "feacft"),
    "refresh_token": ("sertft", "fertft"),
    "password": ("sepft", "fepft"),
    "http://auth0.com/oauth/grant-type/password-realm": ("sepft", "fepft"),
    "client_credentials": ("seccft", "feccft"),
    "urn:ietf:params:oauth:grant-type:device_code": ("sede", "fede"),
    "urn:ietf:params:oauth:grant-type:token-exchange": (
        "success_on_behalf_of_token_exchange",
        "failed_on_behalf_of_token_exchange",
    ),
}


@dataclass(frozen=True)
class Event:
    """One event. `details` has the reason, which Auth0's log does not have. `case` explains it in every language."""

    log_id: str
    date: str
    type: str
    description: str
    client_id: str | None = None
    client_name: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    audience: str | None = None
    scope: str | None = None
    details: str | None = None
    case: Case | None = None

    def as_dict(self) -> dict[str, Any]:
        """The members with a value; also `_id`, as in Auth0's log."""
        known = {name: value for name, value in vars(self).items() if value not in (None, "") and name != "case"}
        return {"_id": self.log_id, **known}


class TenantLog:
    """The latest events, oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)

    def add(
        self,
        code: str,
        description: str,
        *,
        client: Client | None = None,
        user: User | None = None,
        audience: str | None = None,
        scopes: tuple[str, ...] = (),
        details: str | None = None,
        refusal: Refusal | None = None,
    ) -> None:
        """Add an event. Its `details` are the reason of the refusal, if there is one."""
        self._count += 1
        event = Event(
            log_id=f"{self._count:08d}",
            date=_iso(self._clock.now()),
            type=code,
            description=description,
            client_id=client.client_id if client else None,
            client_name=client.name if client else None,
            user_id=user.user_id if user else None,
            user_name=user.email if user else None,
            audience=audience,
            scope=" ".join(scopes),
            details=refusal.why if refusal else details,
            case=refusal.case if refusal else None,
        )
        self.events.append(event)

    def clear(self) -> None:
        self.events.clear()


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
