"""What the gate refuses before it passes a request to an upstream in any language.

The gate and the upstream have different parsers. So the gate passes only messages in which every parser finds the same
method and the same name: parsers that ignore the case of names (Go's encoding/json), servers that convert a list to its
text (JavaScript), servers that decode by the charset of a header, and proxies that route by header.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from mcp.shared.inbound import NAME_BEARING_METHODS, decode_header_value
from mcp_types import HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PROTOCOL_VERSION_META_KEY
from mcp_types.methods import CLIENT_NOTIFICATIONS, CLIENT_REQUESTS
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.types import Scope

from ...auth import strict_json
from ...auth.gate import Refused
from ...auth.request import NO_MESSAGE, Operation
from ...auth.verify.caller_cache import Caller
from .answers import RequestId, error_answer
from .catalogue import METHODS
from .headers import SESSION, values
from .sessions import ForeignSession, Sessions

SESSION_STATE = "gatehouse.upstream_session"
"""In the scope: the upstream's own session id, if the request has one."""

LONGEST_NAME = 4096
"""Characters of the name of a tool or prompt, or of a URI. The SDK matches no longer URI with a template."""

_ONCE = (b"mcp-protocol-version", b"mcp-method", b"mcp-name", SESSION, b"last-event-id")

# Members that decide what is executed. Each object of a message in which one of them may be.
_MESSAGE_MEMBERS = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_PARAMS_MEMBERS = frozenset({"name", "uri", "ref", "notifications", "_meta", "arguments", "cursor"})
_REFERENCE_MEMBERS = frozenset({"type", "name", "uri"})
_NOTIFICATION_MEMBERS = frozenset({"resourcesubscriptions"})

# The methods whose targets the permissions depend on: a message that names none is not passed on.
_TARGETED = frozenset(
    {
        "tools/call",
        "prompts/get",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "completion/complete",
    }
)


class RequestChecks:
    """The checks of one upstream, called by the gate between authentication and permissions.

    Args:
        security: the accepted Host and Origin headers.
    """

    def __init__(self, sessions: Sessions, security: TransportSecuritySettings) -> None:
        self._sessions = sessions
        self._security = TransportSecurityMiddleware(security)

    async def __call__(self, scope: Scope, operation: Operation, body: bytes, caller: Caller) -> None:
        """Check one request of an authenticated caller.

        Raises:
            Refused: the request is not passed on.
        """
        is_post = scope["method"] == "POST"
        answer = await self._security.validate_request(Request(scope), is_post=is_post)
        if answer is not None:
            raise Refused("wrong_host_or_origin" if answer.status_code != 400 else "wrong_content_type", answer)
        headers = scope["headers"]
        for name in _ONCE:
            if len(values(headers, name)) > 1:
                raise _refused("header_mismatch", HEADER_MISMATCH, f"The header {name.decode()} is sent twice.")
        if is_post:
            _check_message(headers, operation, body)
        elif scope["method"] not in ("GET", "DELETE"):
            answer = error_answer(405, INVALID_REQUEST, "Only POST, GET and DELETE are valid.", headers=_ALLOW)
            raise Refused("wrong_http_method", answer)
        session = values(headers, SESSION)
        if session:
            scope[SESSION_STATE] = self._session(session[0], caller)

    def _session(self, sealed: bytes, caller: Caller) -> str:
        try:
            return self._sessions.opened(sealed.decode("latin-1"), owner_of(caller))
        except ForeignSession:
            answer = error_answer(404, INVALID_REQUEST, "Session not found.")
            raise Refused("foreign_session", answer) from None


def owner_of(caller: Caller) -> tuple[str, str]:
    """Subject and client, which sessions are bound to."""
    return caller.verified.subject, caller.verified.client_id


def id_of(message: object) -> RequestId:
    """The message's id if it is one that JSON-RPC allows, else None."""
    request_id = message.get("id") if isinstance(message, dict) else None
    return request_id if isinstance(request_id, str | int | float) and not isinstance(request_id, bool) else None


_ALLOW = {"Allow": "POST, GET, DELETE"}


def _refused(reason: str, code: int, problem: str, request_id: RequestId = None) -> Refused:
    return Refused(reason, error_answer(400, code, problem, request_id))


def _check_message(headers: list[tuple[bytes, bytes]], operation: Operation, body: bytes) -> None:
    message = strict_json.parse(body)
    request_id = id_of(message)
    _check_type(headers, request_id)
    _check_spelling(message, request_id)
    if operation is NO_MESSAGE:
        return
    version = _first(headers, b"mcp-protocol-version")
    if not _is_known(operation.method, version):
        # In the handshake revisions status 404 would mean that the session has ended.
        status = 200 if version in (None, *HANDSHAKE_PROTOCOL_VERSIONS) else 404
        answer = error_answer(status, METHOD_NOT_FOUND, "The server does not have this method.", request_id)
        raise Refused("unknown_method", answer)
    _check_targets(operation, message, request_id)
    _check_headers(headers, operation, message, request_id)


def _is_known(method: str, version: str | None) -> bool:
    """Whether MCP has the method, in that revision or, if it is another one, in any."""
    if version in MODERN_PROTOCOL_VERSIONS:
        return (method, version) in CLIENT_REQUESTS or (method, version) in CLIENT_NOTIFICATIONS
    return method in METHODS


def _check_type(headers: list[tuple[bytes, bytes]], request_id: RequestId) -> None:
    for value in values(headers, b"content-type"):
        parameters = [part.strip().lower() for part in value.split(b";")[1:]]
        if any(part not in (b"", b"charset=utf-8", b'charset="utf-8"') for part in parameters):
            raise _refused("wrong_content_type", INVALID_REQUEST, "The body must be JSON in UTF-8.", request_id)


def _check_spelling(message: Mapping[str, Any], request_id: RequestId) -> None:
    """Refuse members that a parser which ignores case would take for another member."""
    _check_members(message, _MESSAGE_MEMBERS, request_id)
    params = message.get("params")
    if not isinstance(params, dict):
        return
    _check_members(params, _PARAMS_MEMBERS, request_id)
    for name, members in (("ref", _REFERENCE_MEMBERS), ("notifications", _NOTIFICATION_MEMBERS)):
        if isinstance(params.get(name), dict):
            _check_members(params[name], members, request_id, {"resourceSubscriptions"})


def _check_members(
    found: Iterable[str], known: frozenset[str], request_id: RequestId, exact: Iterable[str] = ()
) -> None:
    for name in found:
        if name not in known and name not in exact and name.casefold() in known:
            problem = f"The member {name[:32]!r} differs from {name.casefold()!r} only by its case."
            raise _refused("malformed_message", INVALID_REQUEST, problem, request_id)


def _check_targets(operation: Operation, message: Mapping[str, Any], request_id: RequestId) -> None:
    params = message.get("params")
    if operation.method in _TARGETED and not operation.targets:
        problem = f"{operation.method} needs the name or URI of what it uses, as a text."
        raise _refused("malformed_message", INVALID_PARAMS, problem, request_id)
    for _, name in operation.targets:
        if len(name) > LONGEST_NAME or any(ord(character) < 32 or ord(character) == 127 for character in name):
            problem = f"A name has at most {LONGEST_NAME} characters, and no control characters."
            raise _refused("malformed_message", INVALID_PARAMS, problem, request_id)
    if not isinstance(params, dict):
        return
    reference = params.get("ref")
    if operation.method == "completion/complete" and "name" in reference and "uri" in reference:  # type: ignore[operator]
        raise _refused("malformed_message", INVALID_PARAMS, "ref has both a name and a URI.", request_id)
    if operation.method == "subscriptions/listen" and not _are_all_read(operation, params):
        raise _refused("malformed_message", INVALID_PARAMS, "resourceSubscriptions is not a list of URIs.", request_id)


def _are_all_read(operation: Operation, params: Mapping[str, Any]) -> bool:
    notifications = params.get("notifications")
    if not isinstance(notifications, dict) or "resourceSubscriptions" not in notifications:
        return not operation.targets
    wanted = notifications["resourceSubscriptions"]
    return isinstance(wanted, list) and len(wanted) == len(operation.targets)


def _check_headers(
    headers: list[tuple[bytes, bytes]], operation: Operation, message: Mapping[str, Any], request_id: RequestId
) -> None:
    """MCP 2026-07-28, streamable HTTP, "Server validation". A routing header of any revision must agree."""
    version, method, name = (_first(headers, header) for header in _ONCE[:3])
    given = message.get("params")
    params: dict[str, Any] = given if isinstance(given, dict) else {}
    meta = params.get("_meta")
    stated = meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None
    is_modern = version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS
    if stated is not None and stated != version:
        raise _disagreement("MCP-Protocol-Version", "revisions", request_id)
    if method != operation.method and (is_modern or method is not None):
        raise _disagreement("Mcp-Method", "methods", request_id)
    expected = params.get(NAME_BEARING_METHODS.get(operation.method, ""))
    if expected is None:
        if name:
            raise _disagreement("Mcp-Name", "targets", request_id)
    elif decode_header_value(name) != expected and (is_modern or name is not None):
        raise _disagreement("Mcp-Name", "targets", request_id)


def _disagreement(header: str, what: str, request_id: RequestId) -> Refused:
    problem = f"The header {header} and the message name different {what}."
    return _refused("header_mismatch", HEADER_MISMATCH, problem, request_id)


def _first(headers: list[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    found = values(headers, wanted)
    return found[0].decode("latin-1") if found else None
