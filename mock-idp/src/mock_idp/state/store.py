"""The records that the tenant keeps between requests. All times are in Unix seconds."""

from __future__ import annotations

import secrets
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

from ..actions.outcome import Outcome

MAX_ENTRIES = 10_000
# How often a device may ask for its tokens, in seconds.
POLLING_INTERVAL = 5


class Expiring(Protocol):
    @property
    def expires_at(self) -> float: ...


T = TypeVar("T", bound=Expiring)


class Records(Generic[T]):
    """Records by a random key. The oldest are dropped if there are too many; expired ones are never returned."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._records: OrderedDict[str, T] = OrderedDict()
        self._max_entries = max_entries

    def add(self, record: T, *, prefix: str = "") -> str:
        """Keep a record under a new key (256 random bits); returns the key."""
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
        """Get a record and remove it."""
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
        """Whether there is a record under the key. It may have expired."""
        return key in self._records


@dataclass(frozen=True)
class AuthorizationRequest:
    """A request to /authorize. `scopes` are those it asks for, `audience` is the identifier of an API.

    `organization` is an id, from the request or from the page that asks for it. `connection` is a name.
    """

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
    organization: str | None = None
    connection: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PushedRequest:
    """The parameters of a sign-in that an authenticated client sent beforehand (RFC 9126)."""

    client_id: str
    issuer: str
    parameters: Mapping[str, str]
    resources: tuple[str, ...]
    expires_at: float


@dataclass
class Transaction:
    """A sign-in that is under way, bound to the browser that began it.

    `outcome` is that of the Actions for the user `outcome_for`. `device` is the key of a device authorization, if the
    sign-in began at /activate and not at /authorize.
    """

    request: AuthorizationRequest
    browser: str
    expires_at: float
    started_at: float
    saw_login_page: bool = False
    consented_by: str | None = None
    outcome: Outcome | None = None
    outcome_for: str | None = None
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
    outcome: Outcome | None = None


@dataclass
class RefreshFamily:
    """All refresh tokens that descend from one sign-in (Auth0: Refresh Token Rotation).

    `generation` is the newest token's. `expires_at` is set at the sign-in; rotation does not extend it.
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
    organization: str | None = None


@dataclass
class RefreshToken:
    """One refresh token of a family. `rotated_at` is set when it is exchanged for the next one."""

    family: str
    generation: int
    expires_at: float
    used_at: float
    rotated_at: float | None = None


@dataclass
class DeviceAuthorization:
    """A device that waits for a person's decision (RFC 8628). `decision` changes once."""

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
    outcome: Outcome | None = None


@dataclass(frozen=True)
class LogoutRequest:
    """A logout that waits for the person's confirmation, bound to the browser."""

    browser: str
    target: str | None
    expires_at: float


@dataclass(frozen=True)
class PasswordTicket:
    """The permission to set a new password once. `state` is the sign-in in which the person asked for it."""

    user_id: str
    database: str
    state: str
    expires_at: float


@dataclass(frozen=True)
class UsedCode:
    """A code that was redeemed, and the family of its refresh token."""

    family: str
    expires_at: float


@dataclass(frozen=True)
class UserinfoClaims:
    """The custom claims that /userinfo adds for an access token."""

    claims: Mapping[str, Any]
    expires_at: float


@dataclass(frozen=True)
class Expiry:
    """A record without content: only its key and its expiry matter."""

    expires_at: float


@dataclass(frozen=True)
class FailedLogins:
    """Wrong passwords in a row for an e-mail address in lower case. `ip` is empty if all senders count together."""

    identifier: str
    ip: str
    count: int
    expires_at: float


@dataclass
class Store:
    """All records of a tenant."""

    pushed_requests: Records[PushedRequest] = field(default_factory=Records)
    transactions: Records[Transaction] = field(default_factory=Records)
    sessions: Records[Session] = field(default_factory=Records)
    codes: Records[AuthorizationCode] = field(default_factory=Records)
    refresh_families: Records[RefreshFamily] = field(default_factory=Records)
    refresh_tokens: Records[RefreshToken] = field(default_factory=Records)
    logouts: Records[LogoutRequest] = field(default_factory=Records)
    password_tickets: Records[PasswordTicket] = field(default_factory=Records)
    devices: Records[DeviceAuthorization] = field(default_factory=Records)
    documents: Records[Expiry] = field(default_factory=Records)
    used_codes: Records[UsedCode] = field(default_factory=Records)
    assertions: Records[Expiry] = field(default_factory=Records)
    # By the SHA-256 of the access token, in hexadecimal.
    userinfo_claims: Records[UserinfoClaims] = field(default_factory=Records)
    logins: Counter[str] = field(default_factory=Counter)
    # By e-mail address and IP address.
    failed_logins: Records[FailedLogins] = field(default_factory=Records)
    # By user id, the latest first.
    earlier_passwords: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    # By user, client, API and organization.
    consents: dict[tuple[str, str, str | None, str | None], frozenset[str]] = field(default_factory=dict)

    def consent(self, user_id: str, asked: AuthorizationRequest) -> frozenset[str] | None:
        return self.consents.get((user_id, asked.client_id, asked.audience, asked.organization))

    def remember_consent(self, user_id: str, asked: AuthorizationRequest, scopes: frozenset[str]) -> None:
        key = (user_id, asked.client_id, asked.audience, asked.organization)
        self.consents[key] = self.consents.pop(key, frozenset()) | scopes
        while len(self.consents) > MAX_ENTRIES:
            del self.consents[next(iter(self.consents))]
