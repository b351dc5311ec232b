"""Connections whose request headers are bounded in time and size, read in one way only, and ended without a loss.

uvicorn itself waits for ever, and accepts requests that another program in front of it may read differently. When the
server stops, it closes idle connections at once: a request that a proxy sends on one at that moment is lost, because
the proxy must not send a POST again (RFC 9110 section 9.2.2).

uvicorn.run(app, http="gatehouse_server:BoundedHeaders")
"""

from __future__ import annotations

import asyncio
import re

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_HOST = re.compile(rb"(\[[0-9a-f:.]+\]|[a-z0-9._-]*)(:[0-9]*)?")


class BoundedHeaders(HttpToolsProtocol):
    """uvicorn's HTTP protocol. It closes a connection whose request does not begin, or whose headers do not end, and
    refuses a request that a proxy could read differently (RFC 9112 sections 2.3, 3.2 and 6.1).

    Attributes:
        header_seconds: the time from the first byte, or from the start of the connection, to the end of the headers.
        max_header_bytes: request line and headers together.
        drain_seconds: how long an idle connection stays open for one more request after a stop has begun. It must be
            longer than the proxy in front keeps idle connections, so that the proxy closes those first.
        draining: whether the next answer is the last one of this connection.
    """

    header_seconds = 15.0
    max_header_bytes = 256 * 1024
    drain_seconds = 3.0

    _timer: asyncio.TimerHandle | None = None
    _received = 0
    draining = False
    _in_body = False
    _hosts: list[bytes]
    _codings: list[bytes]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        """Read, and measure what belongs to the headers."""
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for_headers()
        super().data_received(data)
        if self._timer is not None:
            self._received += len(data)
            if self._received > self.max_header_bytes:
                self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin to wait for the headers of a request that follows another one at once."""
        super().on_message_begin()
        self._in_body, self._hosts, self._codings = False, [], []
        self._wait_for_headers()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. A field after the body is dropped: it is no header (RFC 9110 section 6.5.1)."""
        if self._in_body:
            return
        super().on_header(name, value)
        lower = self.headers[-1][0]
        if lower == b"host":
            self._hosts.append(value.strip(b" \t").lower())
        elif lower == b"transfer-encoding":
            self._codings.append(value.strip(b" \t").lower())

    def on_headers_complete(self) -> None:
        """Stop waiting, and check what was read. While the server stops, the answer says that it is the last one.

        Raises:
            ValueError: two programs could read two different requests. The parser's answer is 400.
        """
        self._stop_waiting()
        self._in_body = True
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise ValueError("another version of HTTP")
        if len(self._hosts) != 1 and (self._hosts or version == "1.1"):
            raise ValueError("not exactly one Host")
        if self._hosts and not _HOST.fullmatch(self._hosts[0]):
            raise ValueError("a Host that is no name with a port")
        if self._codings and (version == "1.0" or self._codings != [b"chunked"]):
            raise ValueError("a transfer coding beside chunked")
        if not self.url.startswith(b"/") and self.url != b"*" and [_authority(self.url)] != self._hosts:
            raise ValueError("a target of another host than Host")
        super().on_headers_complete()
        if self.draining:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Begin to end the connection, with `Connection: close` in the next answer. The server's listener is closed."""
        self.draining = True
        if self.cycle is None or self.cycle.response_complete:
            self._end_later()
        elif not self.cycle.response_started:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """Stay open for one more request, if the stop began during this answer: it has not said that it is the last."""
        super().on_response_complete()
        if self.draining and not self.transport.is_closing():
            self._end_later()

    def _end_later(self) -> None:
        self.loop.call_later(self.drain_seconds, self._end)

    def _end(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        if self._timer is None:
            self._received = 0
            self._timer = self.loop.call_later(self.header_seconds, self._refuse, _TIMEOUT)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, answer: bytes) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            if self._received:
                self.transport.write(answer)
            self.transport.close()


def _authority(url: bytes) -> bytes:
    """Host and port of a target in absolute form (RFC 9112 section 3.2.2)."""
    return url.partition(b"://")[2].partition(b"/")[0].partition(b"?")[0].lower()
