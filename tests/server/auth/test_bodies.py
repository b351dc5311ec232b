"""Request bodies: limits of size and time. The body of an unauthenticated request is not read."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.types import Message

from gatehouse_server.auth import gate
from gatehouse_server.auth.request import BodyTooLarge, BodyTooSlow, ClientDisconnected, read_body, replay
from tests.server.protected_server import headers_of, message
from tests.server.token_issuer import Issuer

pytestmark = pytest.mark.anyio


def headers(issuer: Issuer) -> dict[str, str]:
    return {**headers_of(message("ping"), "legacy", issuer.token()), "Content-Type": "application/json"}


def padded(size: int) -> bytes:
    """A ping of that many bytes."""
    text = json.dumps(message("ping"))
    return text.encode() + b" " * (size - len(text))


async def in_chunks(body: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("chunks", [False, True])
async def test_a_body_of_the_maximum_size_is_accepted_and_a_larger_one_is_refused(
    server: httpx2.AsyncClient, issuer: Issuer, caplog: pytest.LogCaptureFixture, chunks: bool
) -> None:
    caplog.set_level(logging.INFO, "gatehouse.audit")
    for size, status in ((gate.MAX_BODY_BYTES, 200), (gate.MAX_BODY_BYTES + 1, 413)):
        body = padded(size)
        answer = await server.post("/mcp", headers=headers(issuer), content=in_chunks(body) if chunks else body)
        assert answer.status_code == status
    assert answer.json()["error"]["message"] == "The body is larger than 1048576 bytes."
    assert '"reason": "body_too_large"' in caplog.messages[-1]


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "method": "tools/call"}',
        rb'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "\ud800"}}',
        b'{"jsonrpc": "2.0", "id": 1e999, "method": "no/such/method"}',
    ],
    ids=["two methods", "half a surrogate pair", "an infinite id"],
)
async def test_a_body_that_parsers_read_differently_is_refused(
    server: httpx2.AsyncClient, issuer: Issuer, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    caplog.set_level(logging.INFO, "gatehouse.audit")
    answer = await server.post("/mcp", headers=headers(issuer), content=body)
    assert answer.status_code == 400
    assert "JSON that can be read in one way only" in answer.json()["error"]["message"]
    assert '"reason": "malformed_message"' in caplog.messages[-1]


async def test_a_body_that_does_not_arrive_in_time_is_refused(
    server: httpx2.AsyncClient, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gatehouse.audit")
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield b'{"jsonrpc": "2.0"'
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        answer = await server.post("/mcp", headers=headers(issuer), content=stalled())
    assert answer.status_code == 408
    assert '"reason": "body_too_slow"' in caplog.messages[-1]


async def test_a_body_that_arrives_too_slowly_is_refused(
    server: httpx2.AsyncClient, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.1)

    async def dripping() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.01)

    async with asyncio.timeout(10):
        answer = await server.post("/mcp", headers=headers(issuer), content=dripping())
    assert answer.status_code == 408


@pytest.mark.requirement("S19")
async def test_the_body_of_an_unauthenticated_request_is_not_read(server: httpx2.AsyncClient, issuer: Issuer) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    for authorization in ({}, {"Authorization": f"Bearer {issuer.token(exp=1, iat=1)}"}):
        answer = await server.post("/mcp", headers=authorization, content=unread())
        assert answer.status_code == 401


def channel(*messages: Message) -> Any:
    waiting = list(messages)

    async def receive() -> Message:
        return waiting.pop(0)

    return receive


def chunk(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


DISCONNECT: Message = {"type": "http.disconnect"}


async def test_a_body_is_joined_from_its_chunks() -> None:
    receive = channel(chunk(b"a", more=True), {"type": "http.request", "more_body": True}, chunk(b"b"))
    assert await read_body(receive, max_bytes=2, seconds=5) == b"ab"


@pytest.mark.parametrize(
    "chunks", [[DISCONNECT], [chunk(b"a", more=True), DISCONNECT]], ids=["at once", "in the middle"]
)
async def test_a_disconnect_is_detected(chunks: list[Message]) -> None:
    with pytest.raises(ClientDisconnected):
        await read_body(channel(*chunks), max_bytes=2, seconds=5)


@pytest.mark.parametrize("chunks", [[chunk(b"abc")], [chunk(b"ab", more=True), chunk(b"c")]], ids=["at once", "in two"])
async def test_a_body_that_is_too_large_is_refused(chunks: list[Message]) -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(channel(*chunks), max_bytes=2, seconds=5)


async def test_a_body_that_never_starts_is_too_slow() -> None:
    async def silent() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(BodyTooSlow):
        await read_body(silent, max_bytes=2, seconds=0.01)


async def test_a_body_is_replayed_once_before_the_next_messages() -> None:
    receive = replay(b"ab", channel(DISCONNECT))
    assert await receive() == chunk(b"ab")
    assert await receive() == DISCONNECT


async def test_a_disconnect_has_an_audit_line_and_no_answer(
    server: httpx2.AsyncClient, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gatehouse.audit")
    app = server._transport.app  # type: ignore[attr-defined]
    sent: list[Message] = []

    async def send(answer: Message) -> None:
        sent.append(answer)

    raw = [(name.lower().encode(), text.encode()) for name, text in headers(issuer).items()]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": raw, "query_string": b"", "root_path": ""}
    await app(scope, channel(DISCONNECT), send)
    assert sent == []
    assert '"reason": "client_gone"' in caplog.messages[-1]
