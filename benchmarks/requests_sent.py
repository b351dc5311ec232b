"""The requests: one tool call, in both protocol eras, with and without tokens."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
FRESH_TOKENS = 5000
"""More than any server caches, so that a token is no longer cached when it is sent again."""

_META = "io.modelcontextprotocol"


def repeated(era: str, token: str | None) -> Iterator[bytes]:
    """The same request, without end."""
    return itertools.repeat(_request(era, token))


def always_new(era: str, tokens: list[str]) -> Iterator[bytes]:
    """Each time a request with a token that is not cached, without end."""
    return itertools.cycle([_request(era, token) for token in tokens])


def _request(era: str, token: str | None) -> bytes:
    body = _body(era)
    headers = {
        "Host": "localhost:5555",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "MCP-Protocol-Version": era,
    }
    if era == MODERN:
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": "get_time"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    lines = ["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def _body(era: str) -> bytes:
    parameters: dict[str, object] = {"name": "get_time", "arguments": {}}
    if era == MODERN:
        parameters["_meta"] = {
            f"{_META}/protocolVersion": era,
            f"{_META}/clientInfo": {"name": "benchmark", "version": "1"},
            f"{_META}/clientCapabilities": {},
        }
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters}
    return json.dumps(message, separators=(",", ":")).encode()
