"""Open event streams: bounded for each subject, ended with the token and at a stop, begun with a first byte."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from gatehouse_server.auth.request import MESSAGE
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
        await streams.ended(expires_at, app, endless=True)(SCOPE, client.receive, client.send)
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

    await Streams().ended(float("inf"), app, endless=True)(SCOPE, receive, client.send)
    assert client.is_complete


def answering(kind: str, *chunks: bytes) -> Callable[..., Any]:
    """An app with that content type, which then waits until the client leaves."""

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        assert (await receive())["type"] == "http.disconnect"

    return app


CALL: Scope = {"type": "http", "method": "POST", MESSAGE: {"id": "a-1", "method": "tools/call"}}


async def of_a_call(app: Callable[..., Any], scope: Scope = CALL) -> Client:
    """The answer to a call whose token has expired."""
    client = Client()
    async with asyncio.timeout(20):
        await Streams(clock=lambda: 1000.0).ended(1000.0, app)(scope, client.receive, client.send)
    return client


async def test_a_streamed_call_ends_with_an_error_for_its_request() -> None:
    client = await of_a_call(answering("text/event-stream; charset=utf-8", b"data: 1\n\n"))
    assert client.is_complete
    assert client.body.startswith(b"data: 1\n\nevent: message\ndata: {")
    assert json.loads(client.body.rpartition(b"data: ")[2])["id"] == "a-1"


@pytest.mark.parametrize(
    ("chunks", "scope"),
    [((b"data: 1\n\n", b"data: half of"), CALL), ((), {**CALL, MESSAGE: {"method": "notifications/x"}})],
    ids=["within an event", "a notification"],
)
async def test_a_streamed_answer_ends_without_an_error_event(chunks: tuple[bytes, ...], scope: Scope) -> None:
    client = await of_a_call(answering("text/event-stream", *chunks), scope)
    assert client.is_complete
    assert client.body == b"".join(chunks)


async def test_a_plain_answer_is_not_ended() -> None:
    left = asyncio.Event()

    class Leaving(Client):
        async def receive(self) -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

    client = Leaving()
    app = answering("application/json", b"{")
    asked = asyncio.ensure_future(Streams(clock=lambda: 1000.0).ended(0.0, app)(CALL, client.receive, client.send))
    await client.opened.wait()
    left.set()
    await asked
    assert (client.body, client.is_complete) == (b"{", False)


async def test_a_cancellation_from_outside_is_not_taken_for_the_end() -> None:
    client = Client()
    app = Streams(clock=lambda: 0.0).ended(1e9, answering("text/event-stream"))
    asked = asyncio.ensure_future(app(CALL, client.receive, client.send))
    await client.opened.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked


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
