"""The journal: the latest requests and answers, for tests and for the console."""

from __future__ import annotations

import base64
import binascii
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..explanations import Case
from ..formats.masking import decoded_tokens, hidden, masked, masked_pairs, masked_url
from ..formats.parsing import parse_json
from ..http.middleware import NOT_PLAYED
from .clock import Clock
from .parameters import names_not_played

MAX_ENTRIES = 500
MAX_BODY = 64 * 1024
OUTCOME = "mock_idp.outcome"
# Documents without secrets and tokens. Clients read them often, and they rarely change.
DOCUMENTS = (
    "/.well-known/jwks.json",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
)
# Requests that only watch or control the tenant are not recorded.
IGNORED = ("/__mock__", "/u/static", "/u/console", "/livez", "/favicon.ico")


@dataclass(frozen=True)
class Entry:
    """One request and its answer, secrets masked. `time` is in Unix seconds.

    `not_played` has the names of what the request asked for and the tenant ignored.
    """

    entry_id: int
    time: float
    method: str
    path: str
    query: list[tuple[str, str]]
    client: str | None
    parameters: Any
    status: int | None
    location: str | None
    answer: Any
    tokens: dict[str, Any]
    flow: str | None
    outcome: dict[str, Any] | None = None
    not_played: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.entry_id, **{name: value for name, value in vars(self).items() if name != "entry_id"}}


class Journal:
    """The latest entries, oldest first."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self._count = 0

    def next_id(self) -> int:
        self._count += 1
        return self._count

    def clear(self) -> None:
        self.entries.clear()


@dataclass
class _Recording:
    """The bytes of one request and its answer, up to a limit."""

    request: bytearray = field(default_factory=bytearray)
    response: bytearray = field(default_factory=bytearray)
    status: int | None = None
    headers: Headers = field(default_factory=Headers)


class Recorder:
    """Middleware that writes each request and its answer into the journal."""

    def __init__(self, app: ASGIApp, journal: Journal, clock: Clock) -> None:
        self.app = app
        self.journal = journal
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/" or scope["path"].startswith(IGNORED):
            await self.app(scope, receive, send)
            return
        recording, started_at = _Recording(), self.clock.now()

        async def recorded_receive() -> Message:
            message = await receive()
            _keep(recording.request, message.get("body", b""))
            return message

        async def recorded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                recording.status = message["status"]
                recording.headers = Headers(raw=message.get("headers", []))
            _keep(recording.response, message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, recorded_receive, recorded_send)
        finally:
            self.journal.entries.append(_entry(self.journal.next_id(), started_at, scope, recording))


def _keep(kept: bytearray, data: bytes) -> None:
    kept.extend(data[: MAX_BODY - len(kept)])


@lru_cache(maxsize=8)
def _document(content_type: str, data: bytes) -> Any:  # noqa: ANN401 - whatever JSON contains
    """One object for equal answers, which saves most of the time and memory of an entry."""
    return _parsed(content_type, data)


def _entry(entry_id: int, started_at: float, scope: Scope, recording: _Recording) -> Entry:
    headers = Headers(scope=scope)
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    sent = _parsed(headers.get("content-type", ""), bytes(recording.request))
    answered = recording.headers.get("content-type", ""), bytes(recording.response)
    answer = _document(*answered) if scope["path"] in DOCUMENTS else _parsed(*answered)
    location = recording.headers.get("location")
    # The access log also shows it.
    scope[NOT_PLAYED] = names_not_played(scope["path"], headers, [*query, *_items(sent)])
    return Entry(
        entry_id=entry_id,
        time=started_at,
        method=scope["method"],
        path=scope["path"],
        query=masked_pairs(query),
        client=_client(headers, dict(query), sent),
        parameters=masked("", sent),
        status=recording.status,
        location=masked_url(location) if location else None,
        answer=answer if scope["path"] in DOCUMENTS else masked("", answer),
        tokens=decoded_tokens([*query, *_items(sent), *_items(answer), *_bearer(headers)]),
        flow=_flow(scope["path"], dict(query)) or _flow(*_split(location)),
        outcome=masked("", scope.get(OUTCOME)),
        not_played=scope[NOT_PLAYED],
    )


def _parsed(content_type: str, body: bytes) -> Any:  # noqa: ANN401 - a JSON value
    """The content of a JSON or form body; None for other bodies, which are pages."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            return parse_json(body)
        except ValueError:
            return None
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    return None


def _items(document: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - a JSON value
    return list(document.items()) if isinstance(document, dict) else []


def _client(headers: Headers, query: dict[str, str], sent: Any) -> str | None:  # noqa: ANN401 - a JSON value
    """The client_id in the query, the body or the Basic credentials."""
    found = query.get("client_id") or (sent.get("client_id") if isinstance(sent, dict) else None)
    if isinstance(found, str):
        return found
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return unquote_plus(base64.b64decode(encoded).decode().partition(":")[0])
    except (binascii.Error, UnicodeDecodeError):
        return None


def _bearer(headers: Headers) -> list[tuple[str, str]]:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return [("access_token", token)] if scheme.lower() == "bearer" else []


def _split(location: str | None) -> tuple[str, dict[str, str]]:
    path, _, query = (location or "").partition("?")
    return path, dict(parse_qsl(query))


def _flow(path: str, query: dict[str, str]) -> str | None:
    """The key that all requests of one sign-in share: its masked `state`."""
    is_page = path.startswith("/u/") or path == "/authorize/resume"
    return hidden(query["state"]) if is_page and "state" in query else None


def note_page(request: Request, name: str) -> None:
    _outcome(request)["page"] = name


def note_refusal(request: Request, error: str, description: str, case: Case | None) -> None:
    refusal: dict[str, Any] = {"error": error, "error_description": description}
    if case is not None:
        refusal |= {"explanation": case.code, "facts": dict(case.facts)}
    _outcome(request).update(refusal)


def _outcome(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = request.scope.setdefault(OUTCOME, {})
    return found
