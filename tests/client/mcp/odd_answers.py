"""An MCP server that answers what a test says, and a hypothesis strategy for whole MCP answers."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from mcp_types.version import LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.serve_in_thread import serve_in_thread

GOOD_TOOL: dict[str, Any] = {
    "name": "get_time",
    "description": "The current time.",
    "inputSchema": {"type": "object", "properties": {"timezone": {"type": "string"}}},
}
GOOD_RESULT: dict[str, Any] = {"content": [{"type": "text", "text": "12:00"}]}
DISCOVERED: dict[str, Any] = {
    "supportedVersions": [LATEST_MODERN_VERSION],
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "odd", "version": "1"},
}
INITIALIZED: dict[str, Any] = {
    "protocolVersion": LATEST_HANDSHAKE_VERSION,
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "odd", "version": "1"},
}


@dataclass
class OddServer:
    """The answers of the server.

    Attributes:
        answers: by method, the `result` or `error` member of the JSON-RPC response, in a dict; or the body's bytes.
        headers: headers of every answer.
        modern: whether the server knows the revision without a handshake.
        events: whether the answers are events (SSE) and not JSON.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    modern: bool = True
    events: bool = False
    url: str = ""

    def offer(self, *tools: object) -> None:
        self.answers["tools/list"] = {"result": {"tools": [*tools]}}

    async def respond(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(status_code=405)
        message = json.loads(await request.body())
        if "id" not in message:
            return Response(status_code=202)
        answer = self.answers.get(message["method"], self._usual(message["method"]))
        if isinstance(answer, bytes):
            return Response(answer, media_type="application/json", headers=self.headers)
        if self.modern and isinstance(answer.get("result"), dict):
            extra = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
            answer = {"result": {**extra, **answer["result"]}}
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer})
        if self.events:
            return Response(f"data: {body}\n\n", media_type="text/event-stream", headers=self.headers)
        return Response(body, media_type="application/json", headers=self.headers)

    def _usual(self, method: str) -> dict[str, Any]:
        if method == "server/discover" and self.modern:
            return {"result": DISCOVERED}
        results = {"initialize": INITIALIZED, "tools/list": {"tools": [GOOD_TOOL]}, "tools/call": GOOD_RESULT}
        return {"result": results[method]} if method in results else {"error": {"code": -32601, "message": "unknown"}}


@contextmanager
def running_odd_server() -> Generator[OddServer]:
    """The server, until the end of the context."""
    server = OddServer()
    app = Starlette(routes=[Route("/mcp", server.respond, methods=["GET", "POST", "DELETE"])])
    with serve_in_thread(app) as origin:
        server.url = f"{origin}/mcp"
        yield server


TEXTS = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\x1b\x9b\u202e$;`")), max_size=12)
_NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | TEXTS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXTS, each, max_size=3),
    max_leaves=6,
)
_TYPES = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null", "nonsense"])


def usually(required: dict[str, Any], optional: dict[str, Any]) -> Any:
    """Usually the named members with their own values, sometimes any value in place of one."""
    return st.fixed_dictionaries(required, optional={name: value | ANY_JSON for name, value in optional.items()})


SCHEMAS: Any = st.deferred(
    lambda: (
        st.booleans()
        | usually(
            {},
            {
                "type": _TYPES | st.lists(_TYPES, max_size=3),
                "properties": st.dictionaries(st.sampled_from(["timezone", "a", "b c"]) | TEXTS, SCHEMAS, max_size=3),
                "required": st.lists(st.sampled_from(["timezone", "a"]) | ANY_JSON, max_size=2),
                "enum": st.lists(ANY_JSON, max_size=3),
                "anyOf": st.lists(SCHEMAS, max_size=2),
                "oneOf": st.lists(SCHEMAS, max_size=2),
                "items": SCHEMAS,
                "$ref": TEXTS | st.just("#/$defs/a"),
                "pattern": TEXTS,
                "default": ANY_JSON,
                "description": TEXTS,
                "additionalProperties": SCHEMAS,
                "x-mcp-header": TEXTS,
            },
        )
    )
)
_ROOT_SCHEMAS = (
    st.builds(lambda schema: {**schema, "type": "object"} if isinstance(schema, dict) else schema, SCHEMAS) | SCHEMAS
)
_META = st.dictionaries(st.just("gatehouse/permissions") | TEXTS, ANY_JSON, max_size=2)
TOOLS = ANY_JSON | usually(
    {"name": st.sampled_from(["get_time", "odd", "a/b.c"]) | TEXTS, "inputSchema": _ROOT_SCHEMAS},
    {"description": TEXTS, "title": TEXTS, "outputSchema": _ROOT_SCHEMAS, "_meta": _META, "annotations": ANY_JSON},
)
_BLOCKS = ANY_JSON | st.one_of(
    usually({"type": st.just("text"), "text": TEXTS | ANY_JSON}, {"_meta": _META, "annotations": ANY_JSON}),
    usually({"type": st.just("image"), "data": TEXTS | ANY_JSON}, {"mimeType": TEXTS}),
    usually({"type": st.just("resource_link"), "uri": TEXTS | ANY_JSON}, {"name": TEXTS}),
    usually({"type": st.just("resource")}, {"resource": usually({}, {"uri": TEXTS, "text": TEXTS, "blob": TEXTS})}),
)
_ERRORS = st.fixed_dictionaries(
    {
        "error": usually({"code": st.integers(-40000, 600) | ANY_JSON, "message": TEXTS | ANY_JSON}, {"data": ANY_JSON})
        | ANY_JSON
    }
)
_RESULTS = usually(
    {"content": st.lists(_BLOCKS, max_size=3) | ANY_JSON},
    {"structuredContent": ANY_JSON, "isError": st.booleans(), "_meta": _META, "resultType": TEXTS},
)
_LISTS = usually({"tools": st.lists(TOOLS, max_size=3) | ANY_JSON}, {"nextCursor": st.just(""), "_meta": _META})


def _answers(results: Any) -> Any:
    return st.fixed_dictionaries({"result": results | ANY_JSON}) | _ERRORS | ANY_JSON.map(json.dumps).map(str.encode)


ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "tools/list": st.fixed_dictionaries({"result": _LISTS}) | _answers(_LISTS),
        "tools/call": st.fixed_dictionaries({"result": _RESULTS}) | _answers(_RESULTS),
        "server/discover": _answers(usually({}, dict.fromkeys(DISCOVERED, ANY_JSON))),
        "initialize": _answers(usually({}, dict.fromkeys(INITIALIZED, ANY_JSON))),
    },
)
HEADERS = st.dictionaries(
    st.sampled_from(["mcp-session-id", "www-authenticate", "x-odd", "retry-after", "cache-control"]),
    st.text('abc\x80\x9b\xff=",; 0123', max_size=12).map(str.strip),
    max_size=2,
)
