"""Open event streams: how many a caller may have, and when they are ended.

A stream ends when its token expires and when the process begins to stop. A proxy in front of the server passes an
answer on with its first byte, so a stream without an end of its own begins with a comment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from mcp_types import INTERNAL_ERROR, INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .request import MESSAGE

MAX_STREAMS = 32
"""Open streams of one subject, in one process."""

CALL_SECONDS = 8.0
"""How long a call whose answer is a stream may run on after the beginning of a stop. Servers are cut off after 10 s."""

_POLL_SECONDS = 0.25
_LONGEST_WAIT = 86_400.0
_FIRST_BYTE = b": open\n\n"
_EXPIRED = INVALID_REQUEST, "The access token expired during the call: call again with a new one."
_STOPPED = INTERNAL_ERROR, "The server stopped during the call: call again."


class TooManyStreams(Exception):
    """The caller has as many open streams as it may have."""


class Stop:
    """Whether the process has begun to stop.

    uvicorn tells an app of a stop only after its last connection has closed, which an open stream prevents. So this
    asks the uvicorn server that handles the signals.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Note the stop."""
        self._event.set()

    async def wait(self) -> None:
        """Return when the stop begins."""
        while not self._event.is_set() and not _uvicorn_stops():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._event.wait(), _POLL_SECONDS)


class Streams:
    """The open streams of one protected app.

    Args:
        clock: seconds since the epoch.

    Attributes:
        open: how many there are.
    """

    def __init__(
        self, stop: Stop | None = None, *, most: int = MAX_STREAMS, clock: Callable[[], float] = time.time
    ) -> None:
        self._stop = stop or Stop()
        self._most = most
        self._clock = clock
        self._open: Counter[str] = Counter()
        self.open = 0

    def counted(self, subject: str, app: ASGIApp) -> ASGIApp:
        """The app for a request whose answer is a stream, which counts from now on. It must be called.

        Raises:
            TooManyStreams: the subject has too many.
        """
        if self._open[subject] >= self._most:
            raise TooManyStreams
        self._open[subject] += 1
        self.open += 1

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            finally:
                self.open -= 1
                self._open[subject] -= 1
                if not self._open[subject]:
                    del self._open[subject]

        return counting

    def ended(self, expires_at: float, app: ASGIApp, *, endless: bool = False) -> ASGIApp:
        """The app for a request whose answer can be an event stream: the stream is ended at that time, or at a stop.

        Args:
            expires_at: seconds since the epoch.
            endless: the stream has no end of its own. It ends at once at a stop, and others after `CALL_SECONDS`.
        """

        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            answer = _Answer(receive, send, lambda: self._end(answer, scope, expires_at, endless), endless)
            if endless:
                answer.limit()
            try:
                await app(scope, answer.receive, answer.send)
            finally:
                await answer.close()

        return limited

    async def _end(self, answer: _Answer, scope: Scope, expires_at: float, endless: bool) -> None:
        # A timer of years would overflow; no token lives that long.
        left = max(min(expires_at - self._clock(), _LONGEST_WAIT), 0)
        reason = _EXPIRED
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._stop.wait()
                if not endless:
                    await asyncio.sleep(CALL_SECONDS)
                reason = _STOPPED
        await answer.end(b"" if endless else _error(scope.get(MESSAGE, {}).get("id"), *reason))


class _Answer:
    """An answer that can be ended from outside: the client sees its regular end, the app a client that has left.

    Args:
        wait: ends the answer in time. It runs from the begin of a stream on.
        endless: the stream begins with a comment.
    """

    def __init__(
        self, receive: Receive, send: Send, wait: Callable[[], Coroutine[Any, Any, None]], endless: bool
    ) -> None:
        self._receive = receive
        self._send = send
        self._wait = wait
        self._endless = endless
        self._waiting: asyncio.Task[None] | None = None
        self._receiving: set[asyncio.Task[Any]] = set()
        self._is_ended = self._started = self._complete = False
        self._is_between_events = True

    def limit(self) -> None:
        """Wait for the end from now on."""
        self._waiting = self._waiting or asyncio.create_task(self._wait())

    async def close(self) -> None:
        """Stop waiting."""
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)

    async def end(self, last: bytes) -> None:
        """End it now, with this event if that is possible. What the app sends later is dropped."""
        self._is_ended = True
        for task in self._receiving:
            task.cancel()
        if self._started and not self._complete:
            self._complete = True
            body = last if self._is_between_events else b""
            await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def receive(self) -> Message:
        """The next message from the client; a disconnect after the end."""
        task = asyncio.current_task()
        assert task is not None
        self._receiving.add(task)
        try:
            return {"type": "http.disconnect"} if self._is_ended else await self._receive()
        except asyncio.CancelledError:
            # If others also cancel the app, that must be seen.
            if not self._is_ended or task.uncancel() > 0:
                raise
            return {"type": "http.disconnect"}
        finally:
            self._receiving.discard(task)

    async def send(self, message: Message) -> None:
        """Pass a message on to the client."""
        if self._is_ended and self._started:
            return
        await self._send(message)
        if message["type"] == "http.response.start":
            self._started = True
            if Headers(raw=message.get("headers", [])).get("content-type", "").startswith("text/event-stream"):
                self.limit()
                if self._endless:
                    await self._send({"type": "http.response.body", "body": _FIRST_BYTE, "more_body": True})
        elif message["type"] == "http.response.body":
            if body := message.get("body"):
                self._is_between_events = body.endswith((b"\n\n", b"\r\n\r\n", b"\r\r"))
            self._complete = not message.get("more_body", False)


def _error(request_id: object, code: int, text: str) -> bytes:
    """The event with a JSON-RPC error, so that the client does not wait for the answer; nothing for a notification."""
    if not isinstance(request_id, str | int):
        return b""
    answer = {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": text}}
    return f"event: message\ndata: {json.dumps(answer)}\n\n".encode("ascii")


def _uvicorn_stops() -> bool:
    # uvicorn's signal handler is a method of its server.
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))
