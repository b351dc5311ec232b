"""A server's list of tools: one tool that is not valid MCP does not hide the others.

The SDK refuses a whole `tools/list` answer if one of its tools is not valid. Therefore such tools are removed from the
HTTP answer before the SDK reads it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import httpx2
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types import Tool
from mcp_types.methods import validate_server_result
from mcp_types.version import LATEST_HANDSHAKE_VERSION, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from ..foreign_text import foreign

Report = Callable[[str, str], None]
"""Gets the name of a dropped tool, and why it is not valid."""

_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
_DATA: Final = b"data:"


def dropping_invalid_tools(report: Report) -> Callable[[httpx2.Response], Awaitable[None]]:
    """A response hook of an HTTP client.

    Args:
        report: gets each dropped tool.
    """

    async def hook(response: httpx2.Response) -> None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        plain = response.headers.get("content-encoding", "identity").lower() == "identity"
        if kind in (_JSON, _EVENTS) and plain and b'"tools/list"' in response.request.content:
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            version = response.request.headers.get(MCP_PROTOCOL_VERSION_HEADER, "")
            response.stream = _ValidTools(response.stream, version, report, in_lines=kind == _EVENTS)

    return hook


class _ValidTools(httpx2.AsyncByteStream):
    """The body without invalid tools: a JSON document, or the `data` lines of events."""

    def __init__(self, body: httpx2.AsyncByteStream, version: str, report: Report, *, in_lines: bool) -> None:
        self._body = body
        self._version = version
        self._report = report
        self._in_lines = in_lines

    async def __aiter__(self) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in self._body:
            *lines, rest = (rest + chunk).split(b"\n") if self._in_lines else [rest + chunk]
            for line in lines:
                yield self._line(line) + b"\n"
        yield self._line(rest) if self._in_lines else self._document(rest)

    async def aclose(self) -> None:
        await self._body.aclose()

    def _line(self, line: bytes) -> bytes:
        return _DATA + b" " + self._document(line[len(_DATA) :]) if line.startswith(_DATA) else line

    def _document(self, content: bytes) -> bytes:
        try:
            message = json.loads(content)
            tools = message["result"]["tools"]
            problems = [(tool, _problem(tool, self._version)) for tool in tools]
        except (ValueError, KeyError, TypeError, RecursionError):
            return content  # the SDK reports what is wrong
        valid = [tool for tool, problem in problems if not problem]
        if len(valid) == len(tools):
            return content
        for tool, problem in problems:
            if problem:
                name = tool.get("name") if isinstance(tool, dict) else None
                self._report(foreign(name, 128) if isinstance(name, str) else foreign(json.dumps(tool), 60), problem)
        message["result"]["tools"] = valid
        return json.dumps(message).encode()


def _problem(tool: Any, version: str) -> str:  # noqa: ANN401  # any JSON value
    """Why the revision of MCP does not allow the tool; empty if it does."""
    modern = version in MODERN_PROTOCOL_VERSIONS
    others = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"} if modern else {}
    try:
        validate_server_result(
            "tools/list", version if modern else LATEST_HANDSHAKE_VERSION, {"tools": [tool], **others}
        )
        Tool.model_validate(tool)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("tools", 0))
        return foreign(f"{where}: {first['msg']}" if where else first["msg"])
    return ""
