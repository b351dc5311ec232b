"""Which requests of the journal belong to one sign-in.

They are tied together by what the journal keeps of secrets: the same code, token or transaction looks the same in every
request. Discovery and key fetches carry nothing of the kind; they count to the sign-in next to them in time.
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
KINDS_BY_GRANT: dict[str, Kind] = {
    "client_credentials": "machine",
    "urn:ietf:params:oauth:grant-type:token-exchange": "exchange",
}
# How long before or after a sign-in a fetch of public documents still counts to it.
NEARBY_SECONDS = 120
AFTERWARDS_SECONDS = 900


@dataclass
class SignIn:
    """The requests of one sign-in, oldest first."""

    kind: Kind
    entries: list[Entry] = field(default_factory=list)

    @property
    def key(self) -> int:
        """Stable while the journal holds the first request."""
        return self.entries[0].entry_id

    @property
    def last_time(self) -> float:
        return self.entries[-1].time

    @property
    def has_tokens(self) -> bool:
        return any(gives_tokens(entry) for entry in self.entries)


def gives_tokens(entry: Entry) -> bool:
    return entry.path == "/oauth/token" and entry.status == 200


def location_parameters(entry: Entry) -> dict[str, str]:
    """What the answer's redirect carries, in query or fragment."""
    parts = urlsplit(entry.location or "")
    return dict(parse_qsl(parts.query or parts.fragment, keep_blank_values=True))


def sent_parameters(entry: Entry) -> dict[str, Any]:
    body = entry.parameters if isinstance(entry.parameters, dict) else {}
    return {**dict(entry.query), **body}


def answered(entry: Entry) -> dict[str, Any]:
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
        self._before: list[Entry] = []
        self._by_mark: dict[str, SignIn] = {}

    def take(self, entry: Entry) -> None:
        if entry.path in DISCOVERY:
            self._before.append(entry)
        elif entry.path == JWKS:
            self._take_key_fetch(entry)
        elif entry.path == "/oidc/register":
            self._take_registration(entry)
        elif entry.path == "/authorize":
            self._begin("browser", entry)
        elif entry.path == "/oauth/device/code":
            self._begin("device", entry)
        elif entry.path == "/oauth/token":
            self._take_token_request(entry)
        else:
            self._take_other(entry)

    def _take_key_fetch(self, entry: Entry) -> None:
        served = [one for one in self.found if one.has_tokens and entry.time - one.last_time < AFTERWARDS_SECONDS]
        if served:
            served[-1].entries.append(entry)
        else:
            self._before.append(entry)

    def _take_registration(self, entry: Entry) -> None:
        client_id = answered(entry).get("client_id")
        if client_id is None:
            self._begin("other", entry)
        else:
            self._before.append(entry)

    def _take_token_request(self, entry: Entry) -> None:
        sent = sent_parameters(entry)
        grant = str(sent.get("grant_type", ""))
        known = self._marked(entry) or self._waiting_for(grant, entry)
        if known is None or grant in KINDS_BY_GRANT:
            self._begin(KINDS_BY_GRANT.get(grant, "other"), entry)
        else:
            self._add(known, entry)

    def _take_other(self, entry: Entry) -> None:
        found = self._marked(entry)
        if found is None and entry.path == "/activate":
            found = next((one for one in reversed(self.found) if one.kind == "device" and not one.has_tokens), None)
        if found is None and entry.path in ("/userinfo", "/oauth/revoke"):
            found = next((one for one in reversed(self.found) if one.has_tokens), None)
        if found is not None:
            self._add(found, entry)

    def _waiting_for(self, grant: str, entry: Entry) -> SignIn | None:
        """The client's sign-in that has no tokens yet, for a code that went by in a page instead of a redirect."""
        if grant not in ("authorization_code", GRANT_DEVICE):
            return None
        kind = "device" if grant == GRANT_DEVICE else "browser"
        waiting = (one for one in reversed(self.found) if one.kind == kind and not one.has_tokens)
        return next(
            (one for one in waiting if one.entries[-1].client == entry.client or _client(one) == entry.client), None
        )

    def _marked(self, entry: Entry) -> SignIn | None:
        return next((self._by_mark[mark] for mark in _marks(entry) if mark in self._by_mark), None)

    def _begin(self, kind: Kind, entry: Entry) -> None:
        begun = SignIn(kind)
        self.found.append(begun)
        for before in self._before:
            if entry.time - before.time < NEARBY_SECONDS:
                begun.entries.append(before)
        self._before.clear()
        self._add(begun, entry)

    def _add(self, sign_in: SignIn, entry: Entry) -> None:
        sign_in.entries.append(entry)
        for mark in _marks(entry):
            self._by_mark[mark] = sign_in


def _client(sign_in: SignIn) -> str | None:
    return next((entry.client for entry in sign_in.entries if entry.client), None)


def _marks(entry: Entry) -> list[str]:
    """What ties this request to others: its transaction, and the codes and tokens that came or went with it."""
    sent, answer = sent_parameters(entry), answered(entry)
    values = [
        ("flow", entry.flow),
        *(("code", parameters.get("code")) for parameters in (sent, location_parameters(entry))),
        *((name, carrier.get(name)) for name in ("device_code", "user_code") for carrier in (sent, answer)),
        *(("refresh_token", carrier.get("refresh_token")) for carrier in (sent, answer)),
        ("refresh_token", sent.get("token")),
    ]
    return [f"{name} {value}" for name, value in values if isinstance(value, str) and value]
