"""Clients that call tools without a pause, each on one connection, and note the fate of each call.

A client reconnects if its connection is closed between two calls, as every HTTP client does. It repeats a call only if
it is told to, and then notes each attempt.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

SECONDS = 30
"""A call without an answer after this time is lost."""
CONNECT_SECONDS = 2
"""A gateway that accepts no connection in this time is passed over."""
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_SLOW_EVERY = 40
"""One call of so many is a stream with progress, which takes a second."""
LONG = 10**6
"""The number of a call that is a stream of 5 s: longer than a reload takes. No client counts up to it."""


@dataclass(frozen=True)
class Call:
    """A finished call. The times are seconds of the monotonic clock.

    Attributes:
        fate: `answered`, `lost` (no answer, or a status of 500 and above), `refused` (401 or 403: the client would ask
            the person to sign in), or `wrong` (an answer to another call or another caller).
        seen: what the client saw, if the call was not answered.
    """

    began: float
    ended: float
    fate: str
    seen: str = ""


@dataclass
class Client:
    """One client, with a subject of its own.

    Attributes:
        host: of the server's URL, with `port`.
        token: its access token; may be replaced at any time.
        calls: its finished calls.
        gateways: where to connect, as (address, port): to the next one each time, and past one that does not accept.
            By default it is that of the URL.
        tls: if the URL is one with https.
    """

    host: str
    port: int
    subject: str
    token: str
    calls: list[Call] = field(default_factory=list)
    gateways: Sequence[tuple[str, int]] = ()
    tls: ssl.SSLContext | None = None
    _next: int = 0
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = None

    async def call_until(self, stop: asyncio.Event, *, repeats: bool = False, pause: float = 0.0) -> None:
        """Call tools, one after the other, until `stop` is set.

        Args:
            repeats: a call that fails is repeated until it is answered.
            pause: seconds between two calls.
        """
        number = 0
        while not stop.is_set() or (repeats and self.calls and self.calls[-1].fate != "answered"):
            fate = await self.call(number)
            number += fate == "answered" or not repeats
            await asyncio.sleep(pause if fate == "answered" else 0.02)
        self.close()

    async def call(self, number: int) -> str:
        """Call the tool of that number, and note the call. Returns its fate."""
        began = time.monotonic()
        fate, seen = await self._fate(number)
        self.calls.append(Call(began, time.monotonic(), fate, seen))
        return fate

    async def _fate(self, number: int) -> tuple[str, str]:
        """Call the tool of that number. Returns the call's fate, and what was seen if it was not answered."""
        arguments, expected = _tool(number, self.subject)
        message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": arguments}
        try:
            async with asyncio.timeout(SECONDS):
                status, body = await self._exchange(json.dumps(message).encode())
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            self.close()
            return "lost", f"{type(error).__name__}: {error}"
        text = body.decode(errors="replace")
        if status in (401, 403):
            return "refused", f"HTTP {status}: {text[:300]}"
        if status != 200:
            return "lost" if status >= 500 else "wrong", f"HTTP {status}: {text[:300]}"
        answer = _answer(text)
        if answer.get("id") != number or expected not in json.dumps(answer.get("result", {})):
            return "wrong", f"wanted {expected!r}: {text[:300]}"
        return "answered", ""

    async def _exchange(self, body: bytes) -> tuple[int, bytes]:
        reader, writer = await self._connection()
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAuthorization: Bearer {self.token}\r\n"
            "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if headers.get("transfer-encoding") == "chunked":
            content = b"".join([part async for part in _chunks(reader)])
        else:
            content = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return int(lines[0].split(" ")[1]), content

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None or self._reader.at_eof() or self._writer.is_closing():
            self.close()
            self._reader, self._writer = await self._connected()
        return self._reader, self._writer

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """
        Raises:
            OSError: no gateway accepts a connection.
        """
        gateways = self.gateways or [(self.host, self.port)]
        refusals = []
        for _ in gateways:
            address, port = gateways[self._next % len(gateways)]
            self._next += 1
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    name = self.host if self.tls else None
                    return await asyncio.open_connection(address, port, ssl=self.tls, server_hostname=name)
            except (OSError, EOFError, TimeoutError) as error:
                refusals.append(f"{address}: {type(error).__name__} {error}")
        raise ConnectionError(f"nothing accepts a connection: {', '.join(refusals)}")

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._writer is not None:
            self._writer.transport.abort()  # the other end may be silent
        self._reader = self._writer = None


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()


def _tool(number: int, subject: str) -> tuple[dict[str, object], str]:
    """The parameters of a call, and a text that only its own answer has."""
    if number == LONG or number % _SLOW_EVERY == _SLOW_EVERY - 1:
        steps = 2 + number % 3
        arguments = {"steps": steps, "seconds": (5 if number == LONG else 1) / steps}
        meta = {"progressToken": number}
        return {"name": "count_down", "arguments": arguments, "_meta": meta}, f"Counted down {steps} steps"
    if number % 2:
        return {"name": "whoami", "arguments": {}}, subject
    asked = _NOON + timedelta(minutes=number)
    zones = {"from_timezone": "UTC", "to_timezone": "Asia/Tokyo"}
    arguments = {"time": asked.strftime("%Y-%m-%dT%H:%M"), **zones}
    expected = (asked + timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M:00+09:00")
    return {"name": "convert_time", "arguments": arguments}, expected


def _answer(text: str) -> dict[str, object]:
    """The JSON-RPC answer in a JSON body or in the last event of a stream."""
    events = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")]
    try:
        answer = json.loads(events[-1] if events else text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
