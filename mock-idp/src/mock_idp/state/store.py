from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

MAX_ENTRIES = 10_000
# How often a device may ask for its tokens, in seconds.
POLLING_INTERVAL = 5


class Expiring(Protocol):
    @property
    def expires_at(self) -> float: ...


T = TypeVar("T", bound=Expiring)


class Shelf(Generic[T]):
    """Records by an unguessable key. The oldest give way when it is full; the expired are never returned."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._records: OrderedDict[str, T] = OrderedDict()
        self._max_entries = max_entries

    def add(self, record: T, *, prefix: str = "") -> str:
        """Keep a record; returns its new key (256 random bits)."""
        key = prefix + secrets.token_urlsafe(32)
        self.put(key, record)
        return key

    def put(self, key: str, record: T) -> None:
        self._records[key] = record
        while len(self._records) > self._max_entries:
            self._records.popitem(last=False)

    def get(self, key: str | None, now: float) -> T | None:
        record = self._records.get(key) if key else None
        if record is None or record.expires_at <= now:
            return None
        return record

    def take(self, key: str | None, now: float) -> T | None:
        """Get a record that can be had only once."""
        record = self.get(key, now)
        if key:
            self._records.pop(key, None)
        return record

    def drop(self, key: str | None) -> None:
        if key:
            self._records.pop(key, None)

    def items(self) -> list[tuple[str, T]]:
        return list(self._records.items())

    def __contains__(self, key: str) -> bool:
        """Whether a record was kept under the key, expired or not."""
        return key in self._records


@dataclass(frozen=True)
class AuthorizationRequest:
    """A request to /authorize. `scopes` are those it asks for, `audience` is the identifier of an API."""

    client_id: str
    issuer: str
    redirect_uri: str
    redirect_uri_sent: bool = False
    response_mode: str = "query"
    state: str | None = None
    nonce: str | None = None
    scopes: tuple[str, ...] = ()
    audience: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str = "plain"
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    login_hint: str | None = None
    ui_locales: str | None = None


@dataclass
class Transaction:
    """A sign-in on its way through the pages, bound to the browser that began it.

    `device` is the key of the device authorization that it decides, where it was not begun at /authorize.
    """

    request: AuthorizationRequest
    browser: str
    expires_at: float
    started_at: float
    asked_in_person: bool = False
    consented_by: str | None = None
    device: str | None = None


@dataclass(frozen=True)
class Session:
    """A signed-in browser (Auth0's SSO session)."""

    session_id: str
    user_id: str
    auth_time: float
    expires_at: float


@dataclass(frozen=True)
class AuthorizationCode:
    request: AuthorizationRequest
    user_id: str
    auth_time: float
    session_id: str
    expires_at: float


@dataclass
class RefreshFamily:
    """All refresh tokens that descend from one sign-in (Auth0: Refresh Token Rotation).

    `generation` is that of the newest token. `expires_at` is fixed at the sign-in; rotation does not extend it.
    """

    client_id: str
    user_id: str
    scopes: tuple[str, ...]
    audience: str | None
    auth_time: float
    session_id: str
    issuer: str
    expires_at: float
    generation: int = 0


@dataclass
class RefreshToken:
    """One refresh token of a family. `rotated_at` is set when it was exchanged for the next one."""

    family: str
    generation: int
    expires_at: float
    used_at: float
    rotated_at: float | None = None


@dataclass
class DeviceAuthorization:
    """A device that waits for a person (RFC 8628). `decision` changes once; `polled_at` is Unix time."""

    user_code: str
    client_id: str
    scopes: tuple[str, ...]
    audience: str | None
    issuer: str
    code_expires_at: float
    expires_at: float
    polled_at: float | None = None
    decision: Literal["pending", "approved", "denied"] = "pending"
    user_id: str = ""
    auth_time: float = 0.0
    session_id: str = ""


@dataclass(frozen=True)
class LogoutRequest:
    """A logout that waits for the person's confirmation, bound to their browser."""

    browser: str
    target: str | None
    expires_at: float


@dataclass(frozen=True)
class UsedCode:
    """The mark that a code was redeemed, and the family of the refresh token it gave."""

    family: str
    expires_at: float


@dataclass(frozen=True)
class Expiry:
    """A record of which only the key and the expiry matter. `expires_at` is Unix time in seconds."""

    expires_at: float


@dataclass
class Store:
    """Everything the tenant remembers between requests."""

    transactions: Shelf[Transaction] = field(default_factory=Shelf)
    sessions: Shelf[Session] = field(default_factory=Shelf)
    codes: Shelf[AuthorizationCode] = field(default_factory=Shelf)
    refresh_families: Shelf[RefreshFamily] = field(default_factory=Shelf)
    refresh_tokens: Shelf[RefreshToken] = field(default_factory=Shelf)
    logouts: Shelf[LogoutRequest] = field(default_factory=Shelf)
    devices: Shelf[DeviceAuthorization] = field(default_factory=Shelf)
    documents: Shelf[Expiry] = field(default_factory=Shelf)
    used_codes: Shelf[UsedCode] = field(default_factory=Shelf)
    assertions: Shelf[Expiry] = field(default_factory=Shelf)
    consents: dict[tuple[str, str, str | None], frozenset[str]] = field(default_factory=dict)

    def consent(self, user_id: str, client_id: str, audience: str | None) -> frozenset[str] | None:
        return self.consents.get((user_id, client_id, audience))

    def remember_consent(self, user_id: str, client_id: str, audience: str | None, scopes: frozenset[str]) -> None:
        before = self.consents.pop((user_id, client_id, audience), frozenset())
        self.consents[user_id, client_id, audience] = before | scopes
        while len(self.consents) > MAX_ENTRIES:
            del self.consents[next(iter(self.consents))]
