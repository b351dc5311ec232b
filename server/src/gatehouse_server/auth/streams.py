"""Open event streams: how many a caller may have, and when those without an end of their own are ended.

A stream ends when its token expires and when the process begins to stop. A proxy in front of the server passes an
answer on with its first byte, so each such stream begins with a comment.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_STREAMS = 32
"""Open streams of one subject, in one process."""

_POLL_SECONDS = 0.25
_LONGEST_WAIT = 86_400.0
_FIRST_BYTE = b": open\n\n"


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

    def until(self, expires_at: float, app: ASGIApp) -> ASGIApp:
        """The app for a request whose answer is a stream without an end: it is ended at that time, or at a stop.

        Args:
            expires_at: seconds since the epoch.
        """

        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            answer = _Answer(receive, send)
            ending = asyncio.create_task(self._end(answer, expires_at))
            try:
                await app(scope, answer.receive, answer.send)
            finally:
                ending.cancel()
                await asyncio.gather(ending, return_exceptions=True)

        return limited

    async def _end(self, answer: _Answer, expires_at: float) -> None:
        # A timer of years would overflow; no token lives that long.
        left = min(expires_at - self._clock(), _LONGEST_WAIT)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), max(left, 0))
        await answer.end()


class _Answer:
    """An answer that can be ended from outside: the client sees its regular end, the app a client that has left."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._ended = asyncio.Event()
        self._started = self._complete = False

    async def end(self) -> None:
        """End it now. What the app sends later is dropped."""
        self._ended.set()
        if self._started and not self._complete:
            self._complete = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def receive(self) -> Message:
        """The next message from the client; a disconnect after the end."""
        message, ended = asyncio.ensure_future(self._receive()), asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait((message, ended), return_when=asyncio.FIRST_COMPLETED)
            return message.result() if message.done() else {"type": "http.disconnect"}
        finally:
            message.cancel()
            ended.cancel()

    async def send(self, message: Message) -> None:
        """Pass a message on to the client."""
        if self._ended.is_set() and self._started:
            return
        await self._send(message)
        if message["type"] == "http.response.start":
            self._started = True
            if Headers(raw=message.get("headers", [])).get("content-type", "").startswith("text/event-stream"):
                await self._send({"type": "http.response.body", "body": _FIRST_BYTE, "more_body": True})
        elif message["type"] == "http.response.body":
            self._complete = not message.get("more_body", False)


def _uvicorn_stops() -> bool:
    # uvicorn's signal handler is a method of its server.
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))
