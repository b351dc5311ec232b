"""Groups the requests of the journal by sign-in.

Requests with the same code, token or transaction belong together. The journal has the same digest of it in each one.
Requests for discovery documents and keys have no such value. They belong to the sign-in that is next in time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from ..state.journal import Entry
from ..tenant.model import GRANT_DEVICE

Kind = Literal["browser", "device", "machine", "exchange", "other"]
DISCOVERY = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
JWKS = "/.well-known/jwks.json"
REGISTRATION = "/oidc/register"
KINDS_BY_GRANT: dict[str, Kind] = {
    "client_credentials": "machine",
    "urn:ietf:params:oauth:grant-type:token-exchange": "exchange",
}
NEEDS_PERSON = ("login_required", "consent_required", "interaction_required")
# A request for a public document belongs to a sign-in that begins, or that ended, within this time.
NEARBY_SECONDS = 120
AFTERWARDS_SECONDS = 900


@dataclass
class SignIn:
    """The requests of one sign-in, oldest first."""

    kind: Kind
    entries: list[Entry] = field(default_factory=list)

    @property
    def has_tokens(self) -> bool:
        return any(gives_tokens(entry) for entry in self.entries)

    @property
    def client(self) -> str | None:
        """The client id."""
        return next((entry.client for entry in self.entries if entry.client), None)


def gives_tokens(entry: Entry) -> bool:
    return entry.path == "/oauth/token" and entry.status == 200


def location_parameters(entry: Entry) -> dict[str, str]:
    """The parameters of the answer's redirect, from its query or its fragment."""
    parts = urlsplit(entry.location or "")
    return dict(parse_qsl(parts.query or parts.fragment, keep_blank_values=True))


def is_silent_question(entry: Entry) -> bool:
    """Whether a client asks with `prompt=none` if a sign-in can succeed, and the answer is only that a person must act.

    The sign-in follows with a request of its own.
    """
    is_silent = entry.path == "/authorize" and ("prompt", "none") in entry.query
    return is_silent and location_parameters(entry).get("error") in NEEDS_PERSON


def sent_parameters(entry: Entry) -> dict[str, Any]:
    body = entry.parameters if isinstance(entry.parameters, dict) else {}
    return {**dict(entry.query), **body}


def answer_of(entry: Entry) -> dict[str, Any]:
    return entry.answer if isinstance(entry.answer, dict) else {}


def sign_ins(entries: Iterable[Entry]) -> list[SignIn]:
    """The sign-ins, oldest first."""
    grouping = _Grouping()
    for entry in entries:
        grouping.take(entry)
    return grouping.found


class _Grouping:
    def __init__(self) -> None:
        self.found: list[SignIn] = []
        # Requests that belong to the next sign-in.
        self._pending: list[Entry] = []
        self._by_identifier: dict[str, SignIn] = {}

    def take(self, entry: Entry) -> None:
        registered = entry.path == REGISTRATION and answer_of(entry).get("client_id") is not None
        if entry.path in DISCOVERY or registered:
            self._pending.append(entry)
        elif entry.path == JWKS:
            self._take_key_fetch(entry)
        elif entry.path == REGISTRATION:
            self._begin("other", entry)
        elif entry.path == "/oauth/par":
            self._begin("browser", entry)
        elif entry.path == "/authorize":
            self._take_authorization_request(entry)
        elif entry.path == "/oauth/device/code":
            self._begin("device", entry)
        elif entry.path == "/oauth/token":
            self._take_token_request(entry)
        else:
            self._take_other(entry)

    def _take_key_fetch(self, entry: Entry) -> None:
        served = (one for one in reversed(self.found) if one.has_tokens)
        recent = (one.entries for one in served if entry.time - one.entries[-1].time < AFTERWARDS_SECONDS)
        next(recent, self._pending).append(entry)

    def _take_authorization_request(self, entry: Entry) -> None:
        pushed = self._identified(entry) if "request_uri" in sent_parameters(entry) else None
        if pushed is None:
            self._begin("browser", entry)
        else:
            self._add(pushed, entry)

    def _take_token_request(self, entry: Entry) -> None:
        sent = sent_parameters(entry)
        grant = str(sent.get("grant_type", ""))
        known = self._identified(entry) or self._waiting_for(grant, entry)
        if known is None or grant in KINDS_BY_GRANT:
            self._begin(KINDS_BY_GRANT.get(grant, "other"), entry)
        else:
            self._add(known, entry)

    def _take_other(self, entry: Entry) -> None:
        found = self._identified(entry)
        if found is None and entry.path == "/activate":
            found = next((one for one in reversed(self.found) if one.kind == "device" and not one.has_tokens), None)
        if found is None and entry.path in ("/userinfo", "/oauth/revoke"):
            found = next((one for one in reversed(self.found) if one.has_tokens), None)
        if found is not None:
            self._add(found, entry)

    def _waiting_for(self, grant: str, entry: Entry) -> SignIn | None:
        """The client's last sign-in without tokens. Its code was in a page, so it is not recorded."""
        if grant not in ("authorization_code", GRANT_DEVICE):
            return None
        kind = "device" if grant == GRANT_DEVICE else "browser"
        waiting = (one for one in reversed(self.found) if one.kind == kind and not one.has_tokens)
        return next((one for one in waiting if entry.client in (one.entries[-1].client, one.client)), None)

    def _identified(self, entry: Entry) -> SignIn | None:
        return next((self._by_identifier[name] for name in _identifiers(entry) if name in self._by_identifier), None)

    def _begin(self, kind: Kind, entry: Entry) -> None:
        recent = [before for before in self._pending if entry.time - before.time < NEARBY_SECONDS]
        if kind == "browser" and self._is_announced(entry):
            sign_in = self.found[-1]
            sign_in.entries.extend(recent)
        else:
            sign_in = SignIn(kind, recent)
            self.found.append(sign_in)
        self._pending.clear()
        self._add(sign_in, entry)

    def _is_announced(self, entry: Entry) -> bool:
        """Whether the same client has just asked, without a person, if this sign-in can succeed."""
        last = self.found[-1].entries[-1] if self.found else None
        if last is None or not is_silent_question(last) or entry.client != last.client:
            return False
        return ("prompt", "none") not in entry.query and entry.time - last.time < NEARBY_SECONDS

    def _add(self, sign_in: SignIn, entry: Entry) -> None:
        sign_in.entries.append(entry)
        for name in _identifiers(entry):
            self._by_identifier[name] = sign_in


def _identifiers(entry: Entry) -> list[str]:
    """The values that identify the sign-in of a request: its transaction, and its codes and tokens."""
    sent, answer = sent_parameters(entry), answer_of(entry)
    values = [
        ("flow", entry.flow),
        *(("code", parameters.get("code")) for parameters in (sent, location_parameters(entry))),
        *(
            (name, carrier.get(name))
            for name in ("request_uri", "device_code", "user_code")
            for carrier in (sent, answer)
        ),
        *(("refresh_token", carrier.get("refresh_token")) for carrier in (sent, answer)),
        ("refresh_token", sent.get("token")),
    ]
    return [f"{name} {value}" for name, value in values if isinstance(value, str) and value]
