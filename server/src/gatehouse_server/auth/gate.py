"""The gate: only allowed requests reach the MCP SDK's app."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Awaitable
from typing import Any, NamedTuple, Protocol

from mcp.server.auth.middleware.auth_context import auth_context_var
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .audit import ALLOWED, LONGEST_NAME, AuditRecord, AuditTrail, audit_to_logger
from .challenge import Challenges
from .provider.keys import SigningKeys, VerificationUnavailable
from .request import (
    MESSAGE,
    BodyTooLarge,
    BodyTooSlow,
    ClientDisconnected,
    MalformedMessage,
    Operation,
    Target,
    current_operation,
    operation_in,
    read_body,
    read_message,
    replay,
)
from .streams import Streams, TooManyStreams
from .verify.caller_cache import Caller, CallerCache
from .verify.tokens import TokenRefused

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 15.0

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_ENDLESS = frozenset({"GET", "subscriptions/listen"})
_BLANK = b" \t"  # RFC 9110 section 5.6.3: the only white space in a header; Python strips more by default


class Refused(Exception):
    """The request is refused.

    Attributes:
        reason: short and stable: the audit's reason and the metric's label.
        response: the answer to the client.
        missing: permissions that the token lacks.
    """

    def __init__(self, reason: str, response: Response, missing: frozenset[str] = frozenset()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.response = response
        self.missing = missing


class NotOffered(Exception):
    """The permissions of the server do not name the tool, prompt or resource, so nobody may use it."""

    def __init__(self, target: Target) -> None:
        super().__init__(f"This server does not offer the {target[0]} {target[1][:LONGEST_NAME]!r}.")


class Needed(NamedTuple):
    """What an operation needs.

    Attributes:
        label: method and target for a metric, from a limited set of values.
    """

    permissions: frozenset[str]
    label: tuple[str, str]


class OperationCatalogue(Protocol):
    """The permissions that the operations of the server behind the gate need. Each adapter has one.

    Attributes:
        base: permissions that every operation needs.
    """

    base: frozenset[str]

    async def needed(self, operation: Operation) -> Needed:
        """All permissions that the operation needs, and its label.

        Raises:
            NotOffered: nobody may use what the operation names.
        """
        ...


class RequestCheck(Protocol):
    """Checks of an adapter, between authentication and permissions."""

    async def __call__(self, scope: Scope, operation: Operation, body: bytes, caller: Caller) -> None:
        """Check one request. `body` is empty for other methods than POST.

        Raises:
            Refused: the request is refused.
        """
        ...


class DecisionMetrics(Protocol):
    """The metrics of the gate."""

    def began(self) -> None:
        """Count a request that has arrived."""
        ...

    def ended(self, record: AuditRecord, label: tuple[str, str] | None) -> None:
        """Count a request that has ended. `label` is that of the operation; None if it was refused."""
        ...


class NoMetrics:
    """Counts nothing."""

    def began(self) -> None:
        """Do nothing."""

    def ended(self, record: AuditRecord, label: tuple[str, str] | None) -> None:
        """Do nothing."""

    def count_key_fetch(self, outcome: str) -> None:
        """Do nothing."""

    def count_lookup(self, outcome: str) -> None:
        """Do nothing."""

    def count_introspection(self, outcome: str) -> None:
        """Do nothing."""

    def watch(self, keys: SigningKeys, streams: Streams) -> None:
        """Do nothing."""


class Gate:
    """ASGI middleware that authenticates every request, checks the operation's permissions and answers refusals.

    Args:
        app: the protected app.
        trail: called with the record of every decision.
        check: called for every request of an authenticated caller.
        streams: the open event streams.
        streams_any: whether the app may answer any request with an event stream. Others do so only if the client wants
            notifications.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        callers: CallerCache,
        catalogue: OperationCatalogue,
        challenges: Challenges,
        metrics: DecisionMetrics,
        trail: AuditTrail = audit_to_logger,
        check: RequestCheck | None = None,
        streams: Streams | None = None,
        streams_any: bool,
    ) -> None:
        self._app = app
        self._callers = callers
        self._catalogue = catalogue
        self._challenges = challenges
        self._metrics = metrics
        self._trail = trail
        self._check = check
        self._streams = streams or Streams()
        self._streams_any = streams_any

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("the gate handles only http")
        began = time.perf_counter()
        credentials, request_id = _read_headers(scope)
        record = AuditRecord(request_id)
        send = _with_request_id(send, record)
        # The SDK's own middleware does the same. It makes get_access_token() work in tools.
        reset = auth_context_var.set(None)
        label = None
        self._metrics.began()
        try:
            try:
                call, receive, label = await self._decide(credentials, scope, receive, record)
            except Refused as refusal:
                record.reason, record.missing = refusal.reason, tuple(sorted(refusal.missing))
                call = refusal.response
            else:
                record.decision, record.reason = "allow", ALLOWED
            await call(scope, receive, send)
        except ClientDisconnected:
            record.reason = record.reason or "client_gone"
        except Exception:
            record.status = record.status or 500  # the framework's answer, outside of the gate
            raise
        finally:
            auth_context_var.reset(reset)
            record.duration = time.perf_counter() - began
            self._metrics.ended(record, label)
            self._trail(record)

    async def _decide(
        self, credentials: list[bytes], scope: Scope, receive: Receive, record: AuditRecord
    ) -> tuple[ASGIApp, Receive, tuple[str, str]]:
        """Allow the request, and set `scope["user"]`, `scope["auth"]` and, for a POST, `scope[MESSAGE]`.

        Args:
            credentials: the values of its Authorization headers.

        Returns:
            The app to call, the channel to read the request's body from, and the operation's label.

        Raises:
            Refused: the request is refused.
        """
        caller = await self._authenticate(credentials)
        record.subject, record.client = caller.verified.subject, caller.verified.client_id
        auth_context_var.set(caller.user)
        operation, body = Operation(scope["method"]), b""
        if scope["method"] == "POST":
            body = await self._body(receive)
            receive = replay(body, receive)
            scope[MESSAGE], operation = self._message(body)
        record.operation = operation
        if self._check is not None:
            await self._check(scope, operation, body, caller)
        needed, label = await self._needed(operation)
        missing = needed - caller.permissions
        if missing:
            raise Refused("insufficient_scope", self._challenges.insufficient_scope(missing, needed), missing)
        scope["user"], scope["auth"] = caller.user, caller.credentials
        current_operation.set(operation)
        endless = operation.method in _ENDLESS
        wants_stream = endless or operation.wants_stream
        if not wants_stream and not self._streams_any:
            return self._app, receive, label
        verified = caller.verified
        app = self._streams.ended(verified.expires_at, self._app, endless=endless)
        if not wants_stream:
            return app, receive, label
        try:
            return self._streams.counted(verified.subject, app), receive, label
        except TooManyStreams:
            raise Refused("too_many_streams", self._challenges.too_many_streams()) from None

    async def _needed(self, operation: Operation) -> Needed:
        try:
            return await self._catalogue.needed(operation)
        except NotOffered as error:
            raise Refused("not_offered", self._challenges.bad_message(403, str(error))) from error

    async def _authenticate(self, credentials: list[bytes]) -> Caller:
        base = self._catalogue.base
        token = self._bearer_token(credentials)
        if token is None:
            raise Refused("no_credentials", self._challenges.credentials_missing(base))
        try:
            return self._callers.cached(token) or await self._callers.verify(self._well_formed(token))
        except TokenRefused as error:
            raise Refused(error.code, self._challenges.invalid_token(error.description, base)) from error
        except VerificationUnavailable as error:
            response = self._challenges.unavailable(error.description, error.retry_after)
            raise Refused(error.code, response) from error

    def _bearer_token(self, credentials: list[bytes]) -> str | None:
        """The token after `Bearer` in the Authorization header (RFC 6750 section 2.1), or None."""
        if not credentials:
            return None
        if len(credentials) > 1:
            raise self._malformed("The request has more than one Authorization header.")
        scheme, _, token = credentials[0].partition(b" ")
        return token.lstrip(_BLANK).decode("latin-1") if scheme.lower() == b"bearer" else None

    def _well_formed(self, token: str) -> str:
        if not token.isascii() or "," in token or token.split() != [token]:
            raise self._malformed("The Authorization header is not of the form: Bearer <token>.")
        return token

    def _malformed(self, description: str) -> Refused:
        return Refused("malformed_credentials", self._challenges.invalid_request(description))

    async def _body(self, receive: Receive) -> bytes:
        try:
            return await read_body(receive, max_bytes=MAX_BODY_BYTES, seconds=BODY_SECONDS)
        except BodyTooLarge:
            problem = f"The body is larger than {MAX_BODY_BYTES} bytes."
            raise Refused("body_too_large", self._challenges.bad_message(413, problem)) from None
        except BodyTooSlow:
            problem = f"The body did not arrive within {BODY_SECONDS:.0f} s."
            raise Refused("body_too_slow", self._challenges.bad_message(408, problem)) from None

    def _message(self, body: bytes) -> tuple[dict[str, Any], Operation]:
        try:
            message = read_message(body)
            return message, operation_in(message)
        except MalformedMessage as error:
            raise Refused("malformed_message", self._challenges.bad_message(400, str(error))) from error


def _read_headers(scope: Scope) -> tuple[list[bytes], str]:
    """Trim the header values in the scope. A request without Accept accepts everything (RFC 9110 section 12.5.1).

    Returns:
        The values of the Authorization headers, and the request id: the caller's if it is harmless, else a new one.
    """
    headers, credentials, request_id, accepts = [], [], None, False
    for name, untrimmed in scope["headers"]:
        # RFC 9110 section 5.5: white space around a value is not part of it. The HTTP parser keeps trailing space.
        value = untrimmed.strip(_BLANK)
        if name == b"accept" and not value:
            continue
        headers.append((name, value))
        if name == b"authorization":
            credentials.append(value)
        elif name == b"accept":
            accepts = True
        elif name == b"x-request-id" and request_id is None and _REQUEST_ID.fullmatch(value):
            request_id = value.decode()
    if not accepts:
        headers.append((b"accept", b"*/*"))
    scope["headers"] = headers
    return credentials, request_id or f"{random.getrandbits(64):016x}"


def _with_request_id(send: Send, record: AuditRecord) -> Send:
    header = (b"x-request-id", record.request_id.encode())

    def send_with_id(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            record.status = message["status"]
            message["headers"] = [*message.get("headers", ()), header]
        return send(message)

    return send_with_id
