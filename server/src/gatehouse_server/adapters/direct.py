"""Well-formed requests, handed to the kernel of the MCP SDK without the SDK's HTTP entry.

That entry reads body, headers and envelope once more, and for the revisions before 2026-07-28 it builds a transport
with streams and tasks for every request: up to half of the time of a small call (`benchmarks/README.md`). The gate has
read the request already, and one request in one process needs no transport.

Only requests with one answer in plain JSON are answered here. Every other request is left to the SDK's entry, also each
that it would refuse: what is refused, and how, stays its decision. This module uses the SDK's public API.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import cached_property
from typing import Any

import anyio
from mcp.server.connection import Connection
from mcp.server.lowlevel.server import Server
from mcp.server.runner import ServerRunner, aclose_shielded
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    InboundModernRoute,
    classify_inbound_request,
    validate_mcp_param_headers,
)
from mcp.shared.jsonrpc_dispatcher import handler_exception_to_error_data
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import DEFAULT_NEGOTIATED_VERSION, INTERNAL_ERROR, ErrorData, JSONRPCError, JSONRPCResponse, RequestId
from mcp_types.methods import SPEC_CLIENT_METHODS
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from ..auth.request import MESSAGE

logger = logging.getLogger(__name__)

_METHODS = SPEC_CLIENT_METHODS - {"initialize", "subscriptions/listen"}
_MEMBERS = frozenset({"jsonrpc", "id", "method", "params"})
_LARGEST_ID = 2**53
_CONTENT_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})
_ACCEPTED = frozenset({
    b"*/*",
    b"application/json",
    b"application/json, text/event-stream",
    b"application/json,text/event-stream",
    b"text/event-stream, application/json",
})  # fmt: skip
_READ = frozenset({b"host", b"origin", b"content-type", b"accept"})
_VERSION, _PARAMETER = "mcp-protocol-version", "mcp-param-"
_encode = json.JSONEncoder(separators=(",", ":")).encode


class DirectEntry:
    """The direct way to one server without sessions.

    Args:
        server: the server with the second check.
        security: the accepted Host headers.
        state: what the server's lifespan has yielded.
    """

    def __init__(self, server: Server[Any], security: TransportSecuritySettings, state: Any) -> None:  # noqa: ANN401
        self._server = server
        self._hosts = frozenset(host.encode() for host in security.allowed_hosts)
        self._state = state

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer the request. False: nothing was done, and the SDK's entry must answer."""
        message = scope.get(MESSAGE)
        headers = self._headers(scope)
        if message is None or headers is None or not _is_plain_request(message):
            return False
        method, params = message["method"], message.get("params")
        version = headers.get(_VERSION, DEFAULT_NEGOTIATED_VERSION)
        is_modern = version not in HANDSHAKE_PROTOCOL_VERSIONS
        if is_modern:
            route = classify_inbound_request(message, headers=headers)
            if not isinstance(route, InboundModernRoute) or not self._repeats_arguments(method, params, headers):
                return False
            envelope = route.client_info, route.client_capabilities
        else:
            envelope = None, None
        connection = _Connection.from_envelope(version, *envelope)
        assert isinstance(connection, _Connection)  # the SDK's annotation names its own class
        exchange = Exchange(message["id"], Request(scope, receive), with_headers=is_modern)
        try:
            try:
                result = await ServerRunner(self._server, connection, self._state).on_request(exchange, method, params)
            finally:
                if connection.is_used:
                    await aclose_shielded(connection)
        except Exception as error:  # noqa: BLE001 - the SDK's rule: no error of a handler ends the request
            status, answer = _failure(error, exchange.request_id, is_modern=is_modern)
        else:
            status, answer = 200, _success(result, exchange.request_id)
        start = [(b"content-length", b"%d" % len(answer)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": start})
        await send({"type": "http.response.body", "body": answer})
        return True

    def _headers(self, scope: Scope) -> dict[str, str] | None:
        """The headers of MCP; None if the SDK must judge the headers."""
        read: dict[bytes, bytes] = {}
        found: dict[str, str] = {}
        for name, value in scope["headers"]:
            if name in _READ:
                if name in read:
                    return None
                read[name] = value
            elif name.startswith(b"mcp-"):
                text = name.decode("latin-1")
                if text in found or text == "mcp-session-id":
                    return None
                found[text] = value.decode("latin-1")
        is_clear = (
            self._is_known(read.get(b"host", b""))
            and read.get(b"content-type") in _CONTENT_TYPES
            and read.get(b"accept") in _ACCEPTED
            and b"origin" not in read
        )
        return found if is_clear else None

    def _is_known(self, host: bytes) -> bool:
        return host in self._hosts or host.rpartition(b":")[0] + b":*" in self._hosts

    def _repeats_arguments(self, method: str, params: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
        """Whether the headers repeat those arguments that the tool's schema marks (MCP revision 2026-07-28)."""
        if method != "tools/call":
            return True
        name, arguments = params.get("name"), params.get("arguments")
        if not arguments and not any(header.startswith(_PARAMETER) for header in headers):
            return arguments is None or isinstance(arguments, dict)
        lookup = self._server.get_tool_input_schema
        if lookup is None or not isinstance(name, str) or not isinstance(arguments, dict):
            return False
        try:
            schema = lookup(name)
        except Exception:  # noqa: BLE001 - the server's own function
            return False
        return schema is None or validate_mcp_param_headers(schema, arguments, headers) is None


class _Connection(Connection):
    """A connection of one request. Nearly no request has anything to clean up after it.

    Attributes:
        is_used: whether anybody has asked for the stack of what is cleaned up.
    """

    is_used = False

    @property
    def exit_stack(self) -> AsyncExitStack:
        """What is cleaned up after the request."""
        self.is_used = True
        return self._stack

    @exit_stack.setter
    def exit_stack(self, stack: AsyncExitStack) -> None:
        self._stack = stack


class Exchange:
    """The SDK's `DispatchContext` of a request whose answer has room for one message only."""

    can_send_request = False

    def __init__(self, request_id: RequestId, request: Request, *, with_headers: bool = False) -> None:
        headers = request.headers if with_headers else None
        self.transport = TransportContext(kind="streamable-http", can_send_request=False, headers=headers)
        self.request_id = request_id
        self.message_metadata = ServerMessageMetadata(request_context=request, can_send_request=False)

    @cached_property
    def cancel_requested(self) -> anyio.Event:
        """Never set: a client cancels by closing the connection."""
        return anyio.Event()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Refuse: the answer of the client would have no way back.

        Raises:
            NoBackChannelError: always.
        """
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Drop it: the client did not ask for notifications."""

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Drop it: the client did not ask for progress."""


def _is_plain_request(message: Mapping[str, Any]) -> bool:
    """Whether the message is a request of the specification that the SDK's own model would accept."""
    request_id, params = message.get("id"), message.get("params")
    return (
        message.get("method") in _METHODS
        and message.get("jsonrpc") == "2.0"
        and (type(request_id) is str or (type(request_id) is int and abs(request_id) < _LARGEST_ID))
        and (params is None or type(params) is dict)
        and message.keys() <= _MEMBERS
    )


def _success(result: dict[str, Any], request_id: RequestId) -> bytes:
    answer = {"jsonrpc": "2.0", "id": request_id, "result": result}
    try:
        return _encode(answer).encode()
    except TypeError:  # a result that the SDK's models have not written, such as that of an extension
        return _encode(JSONRPCResponse.model_validate(answer).model_dump(mode="json", by_alias=True)).encode()


def _failure(error: Exception, request_id: RequestId, *, is_modern: bool) -> tuple[int, bytes]:
    """Status and body, as the SDK's entries of both eras answer."""
    data = handler_exception_to_error_data(error)
    if data is None:
        logger.error("a handler failed", exc_info=error)
        internal = ErrorData(code=INTERNAL_ERROR, message="Internal server error")
        data = internal if is_modern else ErrorData(code=0, message=str(error))
    answer = JSONRPCError(jsonrpc="2.0", id=request_id, error=data)
    body = _encode(answer.model_dump(mode="json", by_alias=True, exclude_none=True)).encode()
    return ERROR_CODE_HTTP_STATUS.get(data.code, 200) if is_modern else 200, body
