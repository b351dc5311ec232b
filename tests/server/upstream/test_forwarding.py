"""What passes between caller and upstream, and what the gate answers when the upstream gives no good answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.server.protected_server import ask, headers_of, message
from tests.server.token_issuer import Issuer
from tests.server.upstream.guarded import TABLE, UPSTREAM, Upstream, client_of, gate_app, result

pytestmark = pytest.mark.anyio

CALL = {"name": "open", "arguments": {}}


async def test_the_body_arrives_at_the_upstream_byte_for_byte(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer
) -> None:
    body = b'\n{ "jsonrpc":"2.0", "id": 1e0,"method":"tools\\/call" ,"params":{"name":"\\u006fpen","x":1.50}}  '
    headers = headers_of(message("tools/call", CALL), "legacy", issuer.token())
    answer = await gate.post("/mcp", content=body, headers={**headers, "Content-Type": "application/json"})
    assert answer.status_code == 200
    assert upstream.requests[0].content == body
    assert str(upstream.requests[0].url) == UPSTREAM


@pytest.mark.requirement("S17")
async def test_only_named_headers_pass_to_the_upstream(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer
) -> None:
    token = issuer.token()
    sent = {
        **headers_of(message("tools/call", CALL), "legacy", token),
        "Content-Type": "application/json; charset=utf-8",
        "Cookie": "session=1",
        "Connection": "keep-alive, X-Extra",
        "X-Extra": "1",
        "X-Forwarded-For": "192.0.2.1",
        "Forwarded": "for=192.0.2.1",
        "Proxy-Authorization": "Basic eDp5",
        "Transfer-Encoding": "identity",
        "TE": "trailers",
        "Accept-Encoding": "gzip",
        "Gatehouse-Assertion": "forged",
        "gatehouse-subject": "auth0|mallory",
        "GATEHOUSE_SUBJECT": "auth0|mallory",
        "gatehouse_assertion": "forged",
        "Authorization_": token,
        "mcp_session_id": "stolen",
        "Mcp_Method": "tools/list",
        "Mcp-Param-Region": "eu",
        "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Origin": "http://localhost:5555",
    }
    answer = await gate.post("/mcp?token=1", content=json.dumps(message("tools/call", CALL)), headers=sent)
    assert answer.status_code == 200, answer.text
    (request,) = upstream.requests
    assert {name for name, _ in request.headers.multi_items()} == {
        *("accept", "accept-encoding", "content-length", "content-type", "gatehouse-assertion", "host"),
        *("mcp-param-region", "mcp-protocol-version", "traceparent", "user-agent"),
    }
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["gatehouse-assertion"] != "forged"
    assert request.headers["host"] == "tools.internal:8000"
    assert request.url.query == b""
    assert token not in str(request.headers.raw)


async def test_only_named_headers_pass_to_the_caller(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer
) -> None:
    upstream.answer = lambda _: result(
        {},
        **{
            "Set-Cookie": "session=1; Path=/",
            "WWW-Authenticate": 'Bearer resource_metadata="https://evil.example.com/"',
            "Access-Control-Allow-Origin": "*",
            "Connection": "close",
            "Keep-Alive": "timeout=5",
            "Server": "tools/1.0",
            "X-Powered-By": "x",
            "Location": "http://tools.internal:8000/",
            "Cache-Control": "public",
            "Retry-After": "7",
        },
    )
    answer = await ask(gate, issuer.token(), "tools/call", CALL)
    assert set(answer.headers) == {
        *("cache-control", "content-length", "content-type", "retry-after", "x-accel-buffering", "x-request-id")
    }
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {"jsonrpc": "2.0", "id": 1, "result": {}}


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_call_without_its_permission_is_challenged_and_not_passed_on(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, era: Any
) -> None:
    refused = await ask(gate, issuer.token(), "tools/call", {"name": "write"}, era=era)
    assert refused.status_code == 403
    assert 'scope="access:mcp shop:read shop:write"' in refused.headers["www-authenticate"]
    assert upstream.requests == []
    granted = issuer.token(scope="access:mcp shop:admin")
    assert (await ask(gate, granted, "tools/call", {"name": "write"}, era=era)).status_code == 200
    assert len(upstream.requests) == 1


async def test_a_request_without_a_token_is_challenged_and_not_passed_on(
    gate: httpx2.AsyncClient, upstream: Upstream
) -> None:
    answer = await ask(gate, None, "tools/call", CALL)
    assert answer.status_code == 401
    assert "resource_metadata" in answer.headers["www-authenticate"]
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "unknown"}),
        ("prompts/get", {"name": "write"}),
        ("resources/read", {"uri": "shop://secret"}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "unknown"}, "argument": {}}),
    ],
)
async def test_what_the_table_does_not_name_is_not_offered(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, method: str, params: dict[str, Any]
) -> None:
    token = issuer.token(scope="access:mcp shop:admin")
    answer = await ask(gate, token, method, params)
    assert answer.status_code == 403
    assert "does not offer the" in answer.json()["error"]["message"]
    assert upstream.requests == []


async def test_the_rest_is_open_only_if_the_table_says_so(issuer: Issuer, upstream: Upstream, tmp_path: Path) -> None:
    table = {**TABLE, "tools": {**TABLE["tools"], "*": []}}
    async with client_of(gate_app(upstream.transport, issuer, tmp_path, table=table)) as gate:
        assert (await ask(gate, issuer.token(), "tools/call", {"name": "unknown"})).status_code == 200
        for name in ("read", "READ", " read", "re%61d", "%2572ead"):
            answer = await ask(gate, issuer.token(), "tools/call", {"name": name})
            assert answer.status_code == 403, name
            assert "shop:read" in answer.headers["www-authenticate"], name


def raising(error: type[httpx2.TransportError]) -> Callable[[httpx2.Request], httpx2.Response]:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise error("tools.internal:8000 at 10.1.2.3: secret", request=request)

    return answer


FAILURES: dict[str, tuple[int, Callable[[httpx2.Request], httpx2.Response]]] = {
    "refuses connections": (502, raising(httpx2.ConnectError)),
    "does not accept in time": (502, raising(httpx2.ConnectTimeout)),
    "does not answer in time": (504, raising(httpx2.ReadTimeout)),
    "closes the connection": (502, raising(httpx2.RemoteProtocolError)),
    "has no free connection": (503, raising(httpx2.PoolTimeout)),
    "redirects": (502, lambda _: httpx2.Response(307, headers={"Location": "http://10.1.2.3/secret"})),
    "wants a sign-in": (502, lambda _: httpx2.Response(401, json={"error": "secret"})),
    "wants a sign-in of the proxy": (502, lambda _: httpx2.Response(407, text="secret")),
    "answers with a page": (502, lambda _: httpx2.Response(200, html="<p>secret at 10.1.2.3</p>")),
    "fails with a page": (502, lambda _: httpx2.Response(500, text="Traceback: secret 10.1.2.3")),
    "refuses with text": (418, lambda _: httpx2.Response(418, text="secret 10.1.2.3")),
    "answers compressed": (
        502,
        lambda _: httpx2.Response(
            200, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}, stream=Bytes(b"secret")
        ),
    ),
    "answers with an event stream and an error": (
        502,
        lambda _: httpx2.Response(500, headers={"Content-Type": "text/event-stream"}, content=b"secret"),
    ),
    "makes a session id that is none": (
        502,
        lambda _: httpx2.Response(200, json={}, headers={"Mcp-Session-Id": "secret 1"}),
    ),
}


class Bytes(httpx2.AsyncByteStream):
    """A body that no client decodes by itself."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> Any:
        yield self._content


@pytest.mark.parametrize("name", FAILURES)
async def test_an_upstream_that_gives_no_good_answer_is_an_error_without_its_words(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, name: str
) -> None:
    status, upstream.answer = FAILURES[name]
    answer = await ask(gate, issuer.token(), "tools/call", CALL)
    assert answer.status_code == status
    error = answer.json()
    assert (error["jsonrpc"], error["id"], error["error"]["code"]) == ("2.0", 1, -32603)
    assert len(upstream.requests) == 1, "no request is sent twice"
    for word in ("secret", "10.1.2.3", "tools.internal", "8000"):
        assert word not in answer.text + str(answer.headers.raw)


async def test_errors_of_the_upstream_in_json_pass(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer
) -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no"}}
    for status in (400, 403, 404, 500):
        upstream.answer = lambda _, status=status: httpx2.Response(status, json=error)  # type: ignore[misc]
        answer = await ask(gate, issuer.token(), "tools/call", CALL)
        assert (answer.status_code, answer.json()) == (status, error)


async def test_a_notification_is_accepted_without_a_body(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer
) -> None:
    upstream.answer = lambda _: httpx2.Response(202)
    answer = await ask(gate, issuer.token(), "notifications/initialized")
    assert (answer.status_code, answer.content) == (202, b"")


async def test_a_user_with_too_many_open_requests_has_to_wait(
    issuer: Issuer, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatehouse_server.upstream.REQUESTS_OF_ONE_SUBJECT", 1)
    other = issuer.token(sub="auth0|bob")
    inner: list[int] = []

    class Nested(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if len(inner) < 2 and not request.headers.get("mcp-param-inner"):
                for token in (issuer.token(), other):
                    nested = await ask(gate, token, "tools/call", CALL, mcp_param_inner="1")
                    inner.append(nested.status_code)
            return result({})

    async with client_of(gate_app(Nested(), issuer, tmp_path)) as gate:
        assert (await ask(gate, issuer.token(), "tools/call", CALL)).status_code == 200
        assert inner == [429, 200]
        assert (await ask(gate, issuer.token(), "tools/call", CALL)).status_code == 200


async def test_the_gate_is_ready_only_if_the_upstream_answers(
    issuer: Issuer, upstream: Upstream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.answer = lambda _: httpx2.Response(400, json={})
    async with client_of(gate_app(upstream.transport, issuer, tmp_path)) as gate:
        for _ in range(3):
            assert (await gate.get("/readyz")).json() == {"status": "ready"}
        assert len(upstream.requests) == 1, "anybody may ask: the upstream is not asked each time"
    for broken in (raising(httpx2.ConnectError), lambda _: httpx2.Response(500)):
        upstream.answer = broken
        async with client_of(gate_app(upstream.transport, issuer, tmp_path)) as gate:
            answer = await gate.get("/readyz")
            assert (answer.status_code, answer.json()["reason"]) == (503, "The server behind the gate does not answer.")
            assert (await gate.get("/livez")).status_code == 200
    caplog.set_level(logging.WARNING)
    assert "10.1.2.3" in caplog.text, "the log has the details"
