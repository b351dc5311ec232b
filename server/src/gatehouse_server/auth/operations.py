"""Which MCP operation a request asks for, read from the JSON-RPC message that the SDK will execute.

Sources: JSON-RPC 2.0; MCP streamable HTTP, all revisions. From 2026-07-28 on the headers `Mcp-Method` and `Mcp-Name`
repeat what the message says; the SDK refuses a request in which they differ, so the message decides for every revision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple

from mcp_types import LOG_LEVEL_META_KEY

from . import strict_json

Kind = Literal["tool", "prompt", "resource"]
Target = tuple[Kind, str]
Reader = Callable[[Mapping[str, Any]], tuple[Target, ...]]


_OBJECT = (dict, Mapping)  # nearly always a dict, which is found out far sooner than what is any Mapping
# What a client asks for with these in `_meta` arrives while it waits for the result.
_STREAMED = frozenset({"progressToken", LOG_LEVEL_META_KEY})


class MalformedMessage(ValueError):
    """The body is not one JSON-RPC message that every reader reads alike."""


class Operation(NamedTuple):
    """A method, and the tools, prompts and resources that it touches."""

    method: str
    targets: tuple[Target, ...] = ()
    wants_stream: bool = False

    @property
    def name(self) -> str:
        """For logs: the first target's name, or nothing."""
        return self.targets[0][1] if self.targets else ""


NO_MESSAGE = Operation("")
"""A request without a message: GET, DELETE, and answers of the client to the server."""

passed: ContextVar[Operation] = ContextVar("passed", default=NO_MESSAGE)
"""What the gate let pass, for all that is done for this request."""


def read_operation(body: bytes) -> Operation:
    """The operation that the body asks for.

    Raises:
        MalformedMessage: it is not UTF-8 JSON, not one object, or names a member twice (two parsers could then see
            two different operations).
    """
    try:
        message = strict_json.parse(body)
    except strict_json.Ambiguous as error:
        raise MalformedMessage(f"The body is not JSON that can be read in one way only: {error}.") from error
    if isinstance(message, list):
        raise MalformedMessage("Batches are not accepted: send one JSON-RPC message per request.")
    if not isinstance(message, dict):
        raise MalformedMessage("The body is not a JSON-RPC message.")
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
    reader = _TARGETS.get(method)
    meta = params.get("_meta")
    wants_stream = isinstance(meta, _OBJECT) and not _STREAMED.isdisjoint(meta)
    return Operation(method, reader(params) if reader else (), wants_stream)


def _named(kind: Kind, member: str) -> Reader:
    def read(params: Mapping[str, Any]) -> tuple[Target, ...]:
        name = params.get(member)
        return ((kind, name),) if isinstance(name, str) else ()

    return read


def _completed(params: Mapping[str, Any]) -> tuple[Target, ...]:
    reference = params.get("ref")
    if not isinstance(reference, Mapping):
        return ()
    if reference.get("type") == "ref/prompt":
        return _named_prompt(reference)
    return _named_resource(reference)


def _subscribed(params: Mapping[str, Any]) -> tuple[Target, ...]:
    notifications = params.get("notifications")
    uris = notifications.get("resourceSubscriptions") if isinstance(notifications, Mapping) else None
    return tuple(("resource", uri) for uri in uris if isinstance(uri, str)) if isinstance(uris, list) else ()


_named_prompt = _named("prompt", "name")
_named_resource = _named("resource", "uri")

_TARGETS = {
    "tools/call": _named("tool", "name"),
    "prompts/get": _named_prompt,
    "resources/read": _named_resource,
    "resources/subscribe": _named_resource,
    "resources/unsubscribe": _named_resource,
    "completion/complete": _completed,
    "subscriptions/listen": _subscribed,
}
