"""The MCP request: its body, read once within limits, and the operation that its JSON-RPC message asks for.

Sources: JSON-RPC 2.0; MCP streamable HTTP, all revisions. From 2026-07-28 on the headers `Mcp-Method` and `Mcp-Name`
repeat the message's method and name. The SDK refuses a request in which they differ, so the message alone decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple

from mcp_types import LOG_LEVEL_META_KEY
from starlette.types import Message, Receive

from . import strict_json

Kind = Literal["tool", "prompt", "resource"]
Target = tuple[Kind, str]
TargetReader = Callable[[Mapping[str, Any]], tuple[Target, ...]]

_OBJECT = (dict, Mapping)  # dict first: isinstance is much faster for it than for an abstract class
# Members of `_meta`: with them the client asks for notifications while it waits for the result.
_NOTIFICATION_REQUESTS = frozenset({"progressToken", LOG_LEVEL_META_KEY})


class BodyTooLarge(Exception):
    """The body is larger than the limit."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


class ClientDisconnected(Exception):
    """The client closed the connection before it had sent the whole body."""


class MalformedMessage(ValueError):
    """The body is not one JSON-RPC message that every parser reads in the same way."""


class Operation(NamedTuple):
    """A method, and the tools, prompts and resources that it uses.

    Attributes:
        method: of the JSON-RPC message, such as `tools/call`; the HTTP method for a request without a message.
        targets: each with its kind (`tool`, `prompt` or `resource`), and its name or URI.
        wants_stream: the client wants notifications while it waits.
        version: the version of the tool, prompt or resource that the client asks for (FastMCP).
    """

    method: str
    targets: tuple[Target, ...] = ()
    wants_stream: bool = False
    version: str = ""

    @property
    def name(self) -> str:
        """The first target's name for logs, or an empty string."""
        return self.targets[0][1] if self.targets else ""


NO_MESSAGE = Operation("")
"""A request without a message: GET, DELETE, and the client's answers to the server."""

MESSAGE = "gatehouse.message"
"""In the ASGI scope of an allowed POST: the message as the gate has read it. Whoever uses it need not read the body."""

current_operation: ContextVar[Operation] = ContextVar("current_operation", default=NO_MESSAGE)
"""The operation that the gate allowed for the current request."""


async def read_body(receive: Receive, *, max_bytes: int, seconds: float) -> bytes:
    """The whole body.

    Raises:
        BodyTooLarge: it has more than `max_bytes` bytes.
        BodyTooSlow: it took longer than `seconds`.
        ClientDisconnected: the connection ended.
    """
    started = _Started(receive())
    try:
        if started.message is None:
            async with asyncio.timeout(seconds):
                started.message = await started
    except TimeoutError:
        raise BodyTooSlow from None
    first = _checked(started.message)
    if not first.get("more_body"):
        whole: bytes = first.get("body", b"")
        if len(whole) > max_bytes:
            raise BodyTooLarge
        return whole
    parts = bytearray(first.get("body", b""))
    try:
        async with asyncio.timeout(seconds):
            while len(parts) <= max_bytes:
                message = _checked(await receive())
                parts += message.get("body", b"")
                if not message.get("more_body"):
                    break
    except TimeoutError:
        raise BodyTooSlow from None
    if len(parts) > max_bytes:
        raise BodyTooLarge
    return bytes(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """A receive channel that returns the body again, and then the messages that follow it (a disconnect)."""
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def read_message(body: bytes) -> dict[str, Any]:
    """The JSON-RPC message in the body.

    Raises:
        MalformedMessage: the body is not UTF-8 JSON, is not one object, or has two members with the same name (two
            parsers could then read two different operations).
    """
    try:
        message = strict_json.parse(body)
    except strict_json.Ambiguous as error:
        raise MalformedMessage(f"The body is not JSON that can be read in one way only: {error}.") from error
    if isinstance(message, list):
        raise MalformedMessage("Batches are not accepted: send one JSON-RPC message per request.")
    if not isinstance(message, dict):
        raise MalformedMessage("The body is not a JSON-RPC message.")
    return message


def operation_in(message: Mapping[str, Any]) -> Operation:
    """The operation that the message asks for.

    Raises:
        MalformedMessage: its method is not a text.
    """
    method = message.get("method")
    if method is None:
        return NO_MESSAGE
    if not isinstance(method, str):
        raise MalformedMessage("The message's method is not a text.")
    return operation_of(method, message.get("params"))


def operation_of(method: str, params: object) -> Operation:
    """The operation of a method with its parameters."""
    if not isinstance(params, _OBJECT):
        return Operation(method)
    read_targets = _TARGET_READERS.get(method)
    meta = params.get("_meta")
    targets = read_targets(params) if read_targets else ()
    if not isinstance(meta, _OBJECT):
        return Operation(method, targets)
    fastmcp = meta.get("fastmcp")
    version = fastmcp.get("version") if isinstance(fastmcp, _OBJECT) else None
    wants_stream = not _NOTIFICATION_REQUESTS.isdisjoint(meta)
    return Operation(method, targets, wants_stream, version if isinstance(version, str) else "")


def _checked(message: Message) -> Message:
    if message["type"] == "http.disconnect":
        raise ClientDisconnected
    return message


class _Started:
    """An awaitable that has run until its first wait, or to its end.

    The body has nearly always arrived already, and then no timer is needed.
    """

    def __init__(self, awaitable: Awaitable[Message]) -> None:
        self.message: Message | None = None
        self._rest = awaitable.__await__()
        try:
            self._first_wait = next(self._rest)
        except StopIteration as end:
            self.message = end.value

    def __await__(self) -> Generator[Any, Any, Message]:
        try:
            yield self._first_wait
            return (yield from self._rest)
        finally:
            self._rest.close()


def _target(kind: Kind, member: str) -> TargetReader:
    def read(params: Mapping[str, Any]) -> tuple[Target, ...]:
        name = params.get(member)
        return ((kind, name),) if isinstance(name, str) else ()

    return read


def _completion_target(params: Mapping[str, Any]) -> tuple[Target, ...]:
    reference = params.get("ref")
    if not isinstance(reference, Mapping):
        return ()
    return (_prompt if reference.get("type") == "ref/prompt" else _resource)(reference)


def _subscription_targets(params: Mapping[str, Any]) -> tuple[Target, ...]:
    notifications = params.get("notifications")
    uris = notifications.get("resourceSubscriptions") if isinstance(notifications, Mapping) else None
    return tuple(("resource", uri) for uri in uris if isinstance(uri, str)) if isinstance(uris, list) else ()


_prompt = _target("prompt", "name")
_resource = _target("resource", "uri")

_TARGET_READERS = {
    "tools/call": _target("tool", "name"),
    "prompts/get": _prompt,
    "resources/read": _resource,
    "resources/subscribe": _resource,
    "resources/unsubscribe": _resource,
    "completion/complete": _completion_target,
    "subscriptions/listen": _subscription_targets,
}
