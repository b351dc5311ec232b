"""Requests in which another parser than the gate's could read another operation. None reaches the upstream."""

from __future__ import annotations

import json
from collections.abc import Mapping

import httpx2
import pytest

from tests.server.protected_server import ask, headers_of, message
from tests.server.token_issuer import Issuer
from tests.server.upstream.guarded import Upstream

pytestmark = pytest.mark.anyio

OPEN = {"name": "open", "arguments": {}}


def call(text: str) -> str:
    """A call whose members are the text."""
    return '{"jsonrpc": "2.0", "id": 1, ' + text + "}"


BODIES: dict[str, tuple[int, str]] = {
    "a batch": (400, json.dumps([message("tools/call", OPEN)])),
    "two methods": (400, call('"method": "tools/list", "method": "tools/call", "params": {"name": "write"}')),
    "two methods in different case": (400, call('"method": "ping", "Method": "tools/call"')),
    "a method with a long s": (400, call('"method": "ping", "param\u017f": {"name": "write"}')),
    "params in different case": (400, call('"method": "tools/call", "params": {"name": "open"}, "PARAMS": {}')),
    "a name in different case": (400, call('"method": "tools/call", "params": {"name": "open", "Name": "write"}')),
    "two names": (400, call('"method": "tools/call", "params": {"name": "open", "name": "write"}')),
    "a name in a list": (400, call('"method": "tools/call", "params": {"name": ["write"]}')),
    "no name": (400, call('"method": "tools/call", "params": {"arguments": {}}')),
    "params in a list": (400, call('"method": "tools/call", "params": ["write"]')),
    "a name with a null character": (400, call('"method": "tools/call", "params": {"name": "write\\u0000"}')),
    "a URI with a line break": (400, call('"method": "resources/read", "params": {"uri": "shop://open\\nx"}')),
    "a name that is too long": (400, call(f'"method": "tools/call", "params": {{"name": "{"x" * 4097}"}}')),
    "a URI in different case": (400, call('"method": "resources/read", "params": {"uri": "shop://open", "URI": "x"}')),
    "a reference to both": (
        400,
        call(
            '"method": "completion/complete", "params": {"argument": {},'
            ' "ref": {"type": "ref/prompt", "name": "open", "uri": "shop://read"}}'
        ),
    ),
    "a reference in different case": (
        400,
        call('"method": "completion/complete", "params": {"ref": {"type": "ref/prompt", "name": "open", "Name": "x"}}'),
    ),
    "no reference": (400, call('"method": "completion/complete", "params": {"ref": "open"}')),
    "subscriptions that are no list": (
        400,
        call('"method": "subscriptions/listen", "params": {"notifications": {"resourceSubscriptions": "shop://read"}}'),
    ),
    "a subscription that is no text": (
        400,
        call(
            '"method": "subscriptions/listen",'
            ' "params": {"notifications": {"resourceSubscriptions": ["shop://open", ["shop://read"]]}}'
        ),
    ),
    "subscriptions in different case": (
        400,
        call(
            '"method": "subscriptions/listen", "params": {"notifications": {"ResourceSubscriptions": ["shop://read"]}}'
        ),
    ),
    "an unknown method": (200, call('"method": "tools/Call", "params": {"name": "open"}')),
    "a method of a server": (200, call('"method": "sampling/createMessage", "params": {}')),
    "not UTF-8": (400, ""),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_message_that_parsers_read_differently_is_refused(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, name: str
) -> None:
    status, body = BODIES[name]
    content = body.encode("utf-8") or json.dumps(message("tools/call", OPEN)).encode("utf-16")
    headers = {**headers_of(message("ping"), "legacy", issuer.token()), "Content-Type": "application/json"}
    answer = await gate.post("/mcp", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert "error" in answer.json()
    assert upstream.requests == []


@pytest.mark.parametrize("method", ["tasks/get", "resources/subscribe", "ping"])
async def test_an_unknown_method_of_the_newest_revision_is_not_found(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, method: str
) -> None:
    answer = await ask(gate, issuer.token(), method, era="modern")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, -32601)
    assert upstream.requests == []


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-7", "application/json; charset=utf-16le", "application/json;x=1", "text/plain", ""],
)
async def test_another_charset_or_type_is_refused(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, content_type: str
) -> None:
    headers = {**headers_of(message("ping"), "legacy", issuer.token()), "Content-Type": content_type}
    answer = await gate.post("/mcp", content=json.dumps(message("ping")), headers=headers)
    assert answer.status_code == 400
    assert upstream.requests == []


MODERN = "2026-07-28"
HEADERS: dict[str, Mapping[str, str]] = {
    "another method": {"mcp-method": "tools/list"},
    "no method": {"mcp-method": ""},
    "another name": {"mcp-name": "write"},
    "another name, encoded": {"mcp-name": "=?base64?d3JpdGU=?="},
    "a name that is wrongly encoded": {"mcp-name": "=?base64?b3Blbg?="},
    "another revision": {"mcp-protocol-version": "2027-01-01"},
    "an older revision": {"mcp-protocol-version": "2025-11-25"},
}


@pytest.mark.requirement("S30")
@pytest.mark.parametrize("name", HEADERS)
async def test_headers_that_disagree_with_the_message_are_refused(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, name: str
) -> None:
    body = message("tools/call", OPEN, "modern")
    headers = {key.lower(): value for key, value in headers_of(body, "modern", issuer.token()).items()}
    good = await gate.post("/mcp", json=body, headers=headers)
    assert good.status_code == 200, good.text
    answer = await gate.post("/mcp", json=body, headers={**headers, **HEADERS[name]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("header", ["mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id"])
async def test_a_routing_header_that_is_sent_twice_is_refused(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, header: str
) -> None:
    body = message("tools/call", OPEN, "modern")
    headers = [(key.lower(), value) for key, value in headers_of(body, "modern", issuer.token()).items()]
    headers += [(header, dict(headers).get(header, "x"))] * (2 if header == "mcp-session-id" else 1)
    answer = await gate.post("/mcp", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)
    assert upstream.requests == []


@pytest.mark.parametrize("header", ["mcp-method", "mcp-name"])
async def test_a_routing_header_of_an_older_revision_must_agree_also(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, header: str
) -> None:
    headers = {**headers_of(message("tools/call", OPEN), "legacy", issuer.token()), header: "write"}
    answer = await gate.post("/mcp", json=message("tools/call", OPEN), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)
    assert upstream.requests == []


@pytest.mark.requirement("S21")
@pytest.mark.parametrize(("header", "value", "status"), [("Host", "evil.example.com", 421), ("Origin", "null", 403)])
async def test_another_host_or_origin_is_refused(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, header: str, value: str, status: int
) -> None:
    answer = await ask(gate, issuer.token(), "ping", **{header: value})
    assert answer.status_code == status
    assert upstream.requests == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "TRACE"])
async def test_other_http_methods_are_refused(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, method: str
) -> None:
    answer = await gate.request(method, "/mcp", headers={"Authorization": f"Bearer {issuer.token()}"})
    assert answer.status_code == 405
    assert upstream.requests == []


async def test_a_refusal_is_in_the_audit_trail(
    gate: httpx2.AsyncClient, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gatehouse.audit")
    await ask(gate, issuer.token(), "tools/call", OPEN, mcp_method="tools/list")
    line = json.loads(caplog.messages[-1])
    assert (line["decision"], line["reason"], line["status"]) == ("refuse", "header_mismatch", 400)
    assert (line["subject"], line["operation"], line["target"]) == ("auth0|alice", "tools/call", "open")


async def test_an_answer_of_the_client_passes(gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer) -> None:
    accepted = {"jsonrpc": "2.0", "id": 1, "result": {"action": "accept"}}
    upstream.answer = lambda _: httpx2.Response(202)
    headers = headers_of(message("ping"), "legacy", issuer.token())
    answer = await gate.post("/mcp", json=accepted, headers=headers)
    assert answer.status_code == 202
    assert json.loads(upstream.requests[0].content) == accepted
