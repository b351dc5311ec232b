"""Open event streams: bounded for each subject, ended with the token and at a stop, begun with a first byte."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from gatehouse_server.auth.streams import Stop, Streams, TooManyStreams

pytestmark = pytest.mark.anyio

SCOPE: Scope = {"type": "http", "method": "GET"}


class Client:
    """Receives the answer. It never disconnects."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.opened = asyncio.Event()

    async def receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Message) -> None:
        self.messages.append(message)
        self.opened.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def is_complete(self) -> bool:
        return self.messages[-1]["type"] == "http.response.body" and not self.messages[-1].get("more_body", False)


async def stream(_: Scope, receive: Receive, send: Send) -> None:
    """An app with a stream that ends when the client leaves. It then still sends something."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    assert (await receive())["type"] == "http.disconnect"
    await send({"type": "http.response.body", "body": b"data: too late\n\n", "more_body": True})


async def run(streams: Streams, expires_at: float, app: Callable[..., Any] = stream) -> Client:
    client = Client()
    async with asyncio.timeout(20):
        await streams.until(expires_at, app)(SCOPE, client.receive, client.send)
    return client


async def test_a_stream_ends_when_its_token_expires() -> None:
    client = await run(Streams(clock=lambda: 1000.0), expires_at=1000.0)
    assert client.is_complete
    assert b"too late" not in client.body


async def test_a_stream_ends_when_the_app_notes_a_stop() -> None:
    stop = Stop()
    stop.set()
    assert (await run(Streams(stop), expires_at=float("inf"))).is_complete


async def test_a_stream_ends_when_uvicorn_has_got_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Server:
        should_exit = True

        def handle_exit(self) -> None: ...

    monkeypatch.setattr(signal, "getsignal", lambda number: Server().handle_exit)
    assert (await run(Streams(), expires_at=float("inf"))).is_complete


async def test_a_stream_begins_with_a_comment_so_that_proxies_pass_it_on() -> None:
    client = await run(Streams(clock=lambda: 0.0), expires_at=0.0)
    assert client.body == b": open\n\n"


async def test_an_answer_that_is_no_stream_is_passed_on_unchanged() -> None:
    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 405, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})

    client = await run(Streams(), expires_at=float("inf"), app=app)
    assert (client.messages[0]["status"], client.body, len(client.messages)) == (405, b"no", 2)


async def test_the_messages_of_the_client_reach_the_app() -> None:
    async def app(_: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "http.request", "body": b"hello", "more_body": False}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    client = Client()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"hello", "more_body": False}

    await Streams().until(float("inf"), app)(SCOPE, receive, client.send)
    assert client.is_complete


async def test_the_streams_of_one_subject_are_bounded_and_closed_ones_do_not_count() -> None:
    async def app(_: Scope, receive: Receive, send: Send) -> None: ...

    streams, client = Streams(most=2), Client()
    first = streams.counted("alice", app)
    streams.counted("alice", app)
    streams.counted("bob", app)
    with pytest.raises(TooManyStreams):
        streams.counted("alice", app)
    await first(SCOPE, client.receive, client.send)
    assert streams.counted("alice", app)
