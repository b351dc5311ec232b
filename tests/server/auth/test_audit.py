"""The audit: one JSON line for each decision, without tokens and header values, and safe for any names."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from rich.console import Console
from rich.logging import RichHandler

from gatehouse_server.auth import audit
from tests.server.protected_server import ERAS, Era, ask, protected
from tests.server.server_with_permissions import READ, shop
from tests.server.token_issuer import Issuer

pytestmark = pytest.mark.anyio

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """The audit lines so far. Checks that each is one line of printable ASCII."""
    caplog.set_level(logging.INFO, "gatehouse.audit")

    def written() -> list[dict[str, Any]]:
        texts = [record.getMessage() for record in caplog.records if record.name == "gatehouse.audit"]
        assert all(text.isascii() and text.isprintable() for text in texts), texts
        return [json.loads(text) for text in texts]

    return written


@pytest.mark.parametrize("era", ERAS)
async def test_an_allowed_call_has_one_audit_line(issuer: Issuer, lines: Lines, era: Era) -> None:
    token = issuer.token(scope=f"access:mcp {READ}")
    async with protected(shop(), issuer.handle) as server:
        await ask(server, token, "tools/call", {"name": "below_tool"}, era=era, X_Request_Id="id-1")
    (line,) = lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line.pop("duration_ms") > 0
    assert line == {
        "request_id": "id-1",
        "decision": "allow",
        "reason": "allowed",
        "subject": "auth0|alice",
        "client": "agent",
        "operation": "tools/call",
        "target": "below_tool",
        "status": 200,
    }


async def test_the_audit_line_names_missing_permissions(issuer: Issuer, lines: Lines) -> None:
    async with protected(shop(), issuer.handle) as server:
        await ask(server, issuer.token(scope=READ), "tools/call", {"name": "both_tool"})
    (line,) = lines()
    assert (line["decision"], line["reason"], line["status"]) == ("refuse", "insufficient_scope", 403)
    assert line["missing"] == ["access:mcp", "shop:write"]
    assert (line["subject"], line["target"]) == ("auth0|alice", "both_tool")


@pytest.mark.parametrize(
    ("authorization", "reason", "status"),
    [
        (None, "no_credentials", 401),
        ("Basic YWxpY2U6eA==", "no_credentials", 401),
        ("Bearer a b", "malformed_credentials", 400),
        ("Bearer x", "malformed_token", 401),
    ],
)
async def test_the_audit_line_of_an_unauthenticated_request_has_a_reason_and_no_name(
    server: httpx2.AsyncClient, lines: Lines, authorization: str | None, reason: str, status: int
) -> None:
    await server.post("/mcp", headers={"Authorization": authorization} if authorization else {}, json={})
    (line,) = lines()
    assert (line["decision"], line["reason"], line["status"]) == ("refuse", reason, status)
    assert "subject" not in line
    assert "client" not in line


async def test_an_outage_of_the_tenant_has_its_own_reason(
    server_without_keys: httpx2.AsyncClient, issuer: Issuer, lines: Lines
) -> None:
    await ask(server_without_keys, issuer.token())
    assert [(line["reason"], line["status"]) for line in lines()] == [("keys_unavailable", 503)]


@pytest.mark.requirement("S25")
async def test_no_audit_line_contains_a_token_or_a_header_value(issuer: Issuer, lines: Lines) -> None:
    tokens = [issuer.token(), issuer.token(exp=1, iat=1), issuer.token(kid="two"), issuer.token(scope="other")]
    marked = {
        "Cookie": "marked-1",
        "User-Agent": "marked-2",
        "Mcp-Session-Id": "marked-3",
        "X-Forwarded-For": "marked-4",
    }
    async with protected(shop(), issuer.handle) as server:
        for token in tokens:
            await ask(server, token, **marked, Origin="https://marked-5.example.com", X_Request_Id="marked 6")
            await ask(server, f"{token} x")
    written = json.dumps(lines())
    assert len(lines()) == 2 * len(tokens)
    assert "marked" not in written
    for token in tokens:
        assert not [part for part in token.split(".") if part in written]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "name",
    [
        'below_tool", "decision": "allow", "x": "',
        "line\nbreak\r\n{}",
        "\x1b[31mred\x1b[0m\x07\x00",
        "x" * 100_000,
        "名前\u202e\u2028\U0001f600",
    ],
    ids=["quotes", "line breaks", "escape sequences", "long", "other scripts"],
)
async def test_a_name_cannot_break_out_of_its_line(issuer: Issuer, lines: Lines, name: str, era: Era) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}}
    headers = {"Authorization": f"Bearer {issuer.token()}", "Content-Type": "application/json"}
    async with protected(shop(), issuer.handle) as server:
        await server.post("/mcp", headers=headers, content=json.dumps(body))
    (line,) = lines()
    assert line["target"] == name[:128]
    assert line["decision"] == "allow"


async def test_a_method_cannot_break_out_of_its_line(issuer: Issuer, lines: Lines) -> None:
    method = "x\n" * 10_000
    async with protected(shop(), issuer.handle) as server:
        await server.post(
            "/mcp",
            headers={"Authorization": f"Bearer {issuer.token()}"},
            json={"jsonrpc": "2.0", "id": 1, "method": method},
        )
    assert [line["operation"] for line in lines()] == [method[:128]]


class Stream(io.BytesIO):
    """A stream that records each write, and fails if a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.full = False

    def write(self, data: Any) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "no space left")
        self.writes.append(bytes(data))
        return len(data)


async def next_turn() -> None:
    turn = asyncio.Event()
    asyncio.get_running_loop().call_soon(turn.set)
    await turn.wait()


async def test_audit_lines_of_one_event_loop_turn_are_written_together_in_order() -> None:
    stream = Stream()
    trail = audit.audit_to_stream(stream)
    for name in ("one", "two"):
        trail(audit.AuditRecord(name))
    assert stream.writes == []
    await next_turn()
    trail(audit.AuditRecord("three"))
    await next_turn()
    assert [[json.loads(line)["request_id"] for line in text.splitlines()] for text in stream.writes] == [
        ["one", "two"],
        ["three"],
    ]
    assert all(text.endswith(b"\n") for text in stream.writes)


async def test_a_failed_write_is_reported_and_the_stream_is_used_again() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    stream = Stream()
    trail = audit.audit_to_stream(stream)
    stream.full = True
    trail(audit.AuditRecord("lost"))
    await next_turn()
    assert [context["exception"].errno for context in reported] == [errno.ENOSPC]
    stream.full = False
    trail(audit.AuditRecord("next"))
    await next_turn()
    assert [json.loads(text)["request_id"] for text in stream.writes] == ["next"]


async def test_no_audit_line_is_formatted_if_the_logger_is_off(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "gatehouse.audit")
    async with protected(shop(), issuer.handle) as server:
        assert (await ask(server, issuer.token())).status_code == 200
    assert not [record for record in caplog.records if record.name == "gatehouse.audit"]


@pytest.mark.parametrize("own_handler", [False, True])
def test_a_line_is_whole_although_rich_shows_the_log(
    own_handler: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The MCP SDK makes rich the only handler of the root logger if it is installed."""
    own = io.StringIO()
    handlers = [logging.StreamHandler(own)] if own_handler else []
    monkeypatch.setattr(logging.root, "handlers", [RichHandler(console=Console(stderr=True, width=40))])
    monkeypatch.setattr(audit.logger, "handlers", handlers)
    monkeypatch.setattr(audit.logger, "propagate", not own_handler)
    monkeypatch.setattr(audit.logger, "isEnabledFor", lambda level: True)
    audit.audit_to_logger(audit.AuditRecord("id-1", subject="auth0|" + "a" * 200))
    written = capsys.readouterr().err
    assert (written == "") is own_handler
    assert json.loads(own.getvalue() or written)["request_id"] == "id-1"


@pytest.mark.parametrize("given", ["a", "0123456789abcdef", "9c1b-4f.x_Y", "x" * 64])
async def test_a_harmless_request_id_is_passed_through(issuer: Issuer, lines: Lines, given: str) -> None:
    async with protected(shop(), issuer.handle) as server:
        answers = [await ask(server, token, X_Request_Id=given) for token in (issuer.token(), None)]
    for answer in answers:
        ids = [(name, value) for name, value in answer.headers.raw if name.lower() == b"x-request-id"]
        assert ids == [(b"x-request-id", given.encode())], "HTTP/2 has names in lower case only"
    assert [line["request_id"] for line in lines()] == [given, given]


@pytest.mark.parametrize(
    "given", ["", "x" * 65, "a b", "a\tb", "<script>", 'a"b', "${jndi:x}", "\xff", "a,b", "../x", "\x0cabc"]
)
async def test_a_harmful_request_id_is_replaced(issuer: Issuer, lines: Lines, given: str) -> None:
    headers = [(b"x-request-id", given.encode("latin-1")), (b"authorization", f"Bearer {issuer.token()}".encode())]
    async with protected(shop(), issuer.handle) as server:
        answer = await server.post("/mcp", headers=headers, json={})
    (request_id,) = answer.headers.get_list("X-Request-Id")
    assert re.fullmatch("[0-9a-f]{16}", request_id)
    assert [line["request_id"] for line in lines()] == [request_id]


async def test_each_request_without_an_id_gets_a_new_one(issuer: Issuer) -> None:
    async with protected(shop(), issuer.handle) as server:
        ids = {(await ask(server, issuer.token())).headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.requirement("S36")
async def test_the_client_name_in_the_audit_comes_from_the_token(issuer: Issuer, lines: Lines) -> None:
    info = {"name": "admin-console", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    async with protected(shop(), issuer.handle) as server:
        assert (await ask(server, issuer.token(azp="agent"), "initialize", params)).status_code == 200
    assert [line["client"] for line in lines()] == ["agent"]
