"""Load on a running stack: clients that call a tool without a break, and a record of each call.

Each client has its own user, and the tool tells who asks: an answer for somebody else is found. A call that fails is
recorded and tried again at once, as a person or an agent would.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urlsplit

CONNECT_SECONDS = 2.0
RETRY_SECONDS = 0.05
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class User:
    """A client's user.

    Attributes:
        subject: the `sub` of the token.
        token: an access token for the server.
    """

    subject: str
    token: str


@dataclass(frozen=True)
class Failure:
    """A request without the right answer.

    Attributes:
        sent: when the request was sent, by `time.monotonic()`.
        wrong: the answer is for another call or user, or refuses a valid token. Else the call is lost: no answer came,
            or a gateway answered for the server.
    """

    sent: float
    gateway: str
    reason: str
    wrong: bool


@dataclass
class Call:
    """One call of a client, with all its attempts.

    Attributes:
        began: by `time.monotonic()`.
        ended: when the right answer was there; None if it did not come.
    """

    client: int
    began: float
    ended: float | None = None
    failures: list[Failure] = field(default_factory=list)


class Load:
    """`with Load(...) as load:` runs the clients in a thread, from the first line of the block to its last.

    Args:
        gateways: where to connect, as (address, port). A client whose connection ends goes to the next one. A gateway
            that accepts no connection loses no call, because nothing was sent.
        url: the server's public URL: the Host header, and the name in the certificate.
        users: one client for each.
        authority: the certificate authority (PEM) of an https URL; None: those of the system.
        calls_per_second: of all clients together; None: as many as there are answers.
        answer_seconds: how long a client waits for an answer.
    """

    def __init__(
        self,
        gateways: Sequence[tuple[str, int]],
        url: str,
        users: Sequence[User],
        *,
        authority: Path | None = None,
        calls_per_second: float | None = None,
        answer_seconds: float = 30.0,
    ) -> None:
        self.calls: list[Call] = []
        self._gateways = list(gateways)
        self._url = urlsplit(url)
        self._users = list(users)
        self._tls = ssl.create_default_context(cafile=authority) if self._url.scheme == "https" else None
        self._pause = len(users) / calls_per_second if calls_per_second else 0.0
        self._answer_seconds = answer_seconds
        self._give_up_at = float("inf")
        self._stopping = threading.Event()
        self._answered = threading.Condition()
        self._answers = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_up_at = time.monotonic() + STOP_SECONDS
        self._stopping.set()
        self._thread.join(STOP_SECONDS + self._answer_seconds)
        if kind is None:
            assert not self._thread.is_alive(), "a client waits for an answer"

    def wait_for_answers(self, count: int, seconds: float) -> None:
        """Wait until `count` more right answers came.

        Raises:
            AssertionError: they did not come in time.
        """
        with self._answered:
            wanted = self._answers + count
            came = self._answered.wait_for(lambda: self._answers >= wanted, seconds)
        assert came, (
            f"{wanted - self._answers} of {count} answers are missing after {seconds} s: {self.failures()[-3:]}"
        )

    def failures(self, since: float = 0.0, *, wrong: bool | None = None) -> list[Failure]:
        """Failed requests that were sent after `since` (`time.monotonic()`), in the order of their sending.

        Args:
            wrong: only the wrong answers, or only the lost calls.
        """
        found = (failure for call in list(self.calls) for failure in list(call.failures))
        chosen = (each for each in found if each.sent >= since and wrong in (None, each.wrong))
        return sorted(chosen, key=lambda failure: failure.sent)

    def unanswered(self) -> list[Call]:
        """After the end of the load: calls whose right answer never came, also not to a later attempt."""
        return [call for call in self.calls if call.ended is None]

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number, user) for number, user in enumerate(self._users)))

    async def _client(self, number: int, user: User) -> None:
        connection = _Connection(self._gateways, number, self._url, self._tls)
        while not self._stopping.is_set():
            call = Call(number, time.monotonic())
            self.calls.append(call)
            identifier = len(self.calls)
            while call.ended is None and time.monotonic() < self._give_up_at:
                if failure := await self._attempt(connection, user, identifier):
                    call.failures.append(failure)
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    call.ended = time.monotonic()
                    self._count_answer()
            await asyncio.sleep(max(0.0, call.began + self._pause - time.monotonic()))
        connection.close()

    def _count_answer(self) -> None:
        with self._answered:
            self._answers += 1
            self._answered.notify_all()

    async def _attempt(self, connection: _Connection, user: User, identifier: int) -> Failure | None:
        sent = time.monotonic()
        try:
            await connection.open()
            sent = time.monotonic()
            async with asyncio.timeout(self._answer_seconds):
                status, body = await connection.ask(_request(self._url, user.token, identifier))
        except (OSError, EOFError, TimeoutError) as error:
            reason, gateway = f"{type(error).__name__}: {error}", connection.gateway
            connection.close()
            return Failure(sent, gateway, reason, wrong=False)
        if status == 200 and _is_right(body, identifier, user.subject):
            return None
        reason = f"HTTP {status}: {body[:300].decode(errors='replace')}"
        return Failure(sent, connection.gateway, reason, wrong=status < 500)


class _Connection:
    """A client's connection, to one gateway after the other."""

    def __init__(
        self, gateways: Sequence[tuple[str, int]], first: int, url: SplitResult, tls: ssl.SSLContext | None
    ) -> None:
        self._gateways = gateways
        self._number = first
        self._url = url
        self._tls = tls
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def gateway(self) -> str:
        address, port = self._gateways[self._number % len(self._gateways)]
        return f"{address}:{port}"

    async def open(self) -> None:
        """Connect to the next gateway that accepts, unless there is a connection.

        Raises:
            ConnectionError: no gateway accepts one.
        """
        if self._streams is not None:
            return
        refusals = []
        for _ in self._gateways:
            self._number += 1
            address, port = self._gateways[self._number % len(self._gateways)]
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    name = self._url.hostname if self._tls else None
                    self._streams = await asyncio.open_connection(address, port, ssl=self._tls, server_hostname=name)
                return
            except (OSError, EOFError, TimeoutError) as error:
                refusals.append(f"{self.gateway}: {type(error).__name__} {error}")
        raise ConnectionError(f"no gateway accepts a connection ({'; '.join(refusals)})")

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send one request; the answer's status and body.

        Raises:
            OSError, EOFError: the connection ended.
        """
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        if "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        else:
            body = await _chunks(reader)
        if headers.get("connection") == "close":
            self.close()
        return int(status.split(" ")[1]), body

    def close(self) -> None:
        """End the connection, if there is one, also one whose other end is silent."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A chunked body (RFC 9112 section 7.1)."""
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return body


def _request(url: SplitResult, token: str, identifier: int) -> bytes:
    message = {
        "jsonrpc": "2.0",
        "id": identifier,
        "method": "tools/call",
        "params": {"name": "whoami", "arguments": {}},
    }
    body = json.dumps(message).encode()
    head = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {token}\r\n"
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _is_right(body: bytes, identifier: int, subject: str) -> bool:
    """Whether this is the answer to the call with that id, for that user."""
    try:
        answer = json.loads(body)
        return bool(answer["id"] == identifier and answer["result"]["structuredContent"]["subject"] == subject)
    except (ValueError, KeyError, TypeError):
        return False
