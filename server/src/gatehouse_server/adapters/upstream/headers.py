"""The headers that pass between caller and upstream. Every other header stays at the gate.

Lists of what passes, not of what does not: neither the caller's token nor a cookie, nor a header that looks like one of
the gate's own (also written with underscores), can reach the upstream, and the upstream cannot set cookies, CORS rules
or challenges for the gate's origin.
"""

from __future__ import annotations

from collections.abc import Iterable

Header = tuple[bytes, bytes]

SESSION = b"mcp-session-id"

_TO_UPSTREAM = frozenset(
    {
        b"accept",
        b"accept-language",
        b"last-event-id",
        b"mcp-method",
        b"mcp-name",
        b"mcp-protocol-version",
        b"traceparent",
        b"tracestate",
        b"user-agent",
    }
)
_ARGUMENT_PREFIX = b"mcp-param-"  # MCP 2026-07-28, streamable HTTP, "Custom headers"
# The body is JSON in UTF-8, as the gate has read it. With the caller's own charset the upstream could read another
# text. Without compression the gate can filter the answer, and its size is known.
_ALWAYS = [(b"content-type", b"application/json"), (b"accept-encoding", b"identity")]

_TO_CALLER = frozenset({b"allow", b"mcp-protocol-version", b"retry-after"})


def to_upstream(headers: Iterable[Header]) -> list[Header]:
    """The caller's headers that the upstream gets, and those that are always sent."""
    passed = [pair for pair in headers if pair[0] in _TO_UPSTREAM or pair[0].startswith(_ARGUMENT_PREFIX)]
    return passed + _ALWAYS


def to_caller(headers: Iterable[Header]) -> list[Header]:
    """The upstream's headers that the caller gets, and those that are always sent."""
    passed = [(name.lower(), value) for name, value in headers if name.lower() in _TO_CALLER]
    # The answer depends on the caller. A proxy in front must not wait for the end of a stream.
    return [*passed, (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]


def values(headers: Iterable[Header], wanted: bytes) -> list[bytes]:
    """All values of that header. `wanted` is lower case."""
    return [value for name, value in headers if name == wanted]
